//! The metrics of this process: one struct, which is handed to the parts like the clock. Each part
//! fills its metrics where things happen.
//!
//! Names and units follow the conventions of Prometheus: base units, and a name that ends with the
//! unit. Labels have few values, and never a user, an address or text.

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;

/// Defines the metrics. An entry is a field, its help text and its initial value; its name is that
/// of the field, after `switchboard_`. The encoder adds `_total` to the name of a counter.
macro_rules! metrics {
    ($(#[doc = $help:literal] $name:ident: $kind:ty = $new:expr,)*) => {
        /// The metrics of this process. Cheap to clone; all clones count together.
        #[derive(Clone)]
        pub struct Metrics {
            $(#[doc = $help] pub $name: $kind,)*
            registry: Arc<Registry>,
        }

        impl Default for Metrics {
            fn default() -> Self {
                let mut registry = Registry::with_prefix("switchboard");
                $(
                    let $name: $kind = $new;
                    registry.register(stringify!($name), $help.trim().trim_end_matches('.'), $name.clone());
                )*
                Self { $($name,)* registry: Arc::new(registry) }
            }
        }
    };
}

metrics! {
    /// Open WebSocket connections.
    connections: Gauge = Gauge::default(),
    /// Closed WebSocket connections, by close code.
    closes: Family<Close, Counter> = Family::default(),
    /// Operations that ended, by name and by `ok` or an error code.
    operations: Family<Operation, Counter> = Family::default(),
    /// Time from the request of an operation that reads to its answer.
    read_seconds: Histogram = seconds(),
    /// Time from the request of an operation that writes to its answer.
    write_seconds: Histogram = seconds(),
    /// Writes in one transaction.
    write_batch_size: Histogram = Histogram::new(exponential_buckets(1.0, 2.0, 10)),
    /// Time from the beginning of a write transaction to the end of its COMMIT.
    write_transaction_seconds: Histogram = seconds(),
}

/// From 100 µs to 13 s, in factors of 2.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 2.0, 18))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Close {
    /// A code of the protocol, or 0 for any other code that a client chose.
    pub code: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Operation {
    pub operation: &'static str,
    pub result: &'static str,
}

impl Metrics {
    /// Returns all metrics in the OpenMetrics text format.
    ///
    /// # Errors
    /// None in practice: a string can always grow.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_encoded_with_its_help() {
        let metrics = Metrics::default();
        let clone = metrics.clone();
        clone.connections.set(3);
        clone.closes.get_or_create(&Close { code: 1000 }).inc();
        clone.operations.get_or_create(&Operation { operation: "send_message", result: "ok" }).inc();
        clone.write_seconds.observe(0.002);
        let text = metrics.encode().unwrap();
        for line in [
            "# HELP switchboard_connections Open WebSocket connections.",
            "switchboard_connections 3",
            "switchboard_closes_total{code=\"1000\"} 1",
            "switchboard_operations_total{operation=\"send_message\",result=\"ok\"} 1",
            "switchboard_write_seconds_count 1",
            "switchboard_write_batch_size_count 0",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "no {line:?} in {text}");
        }
    }
}
