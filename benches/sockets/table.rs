//! The table of medians: a row for each figure, a column for each server.

use std::collections::BTreeMap;

/// Least throughput, as a share of what the same database carries with the other binary.
const LEAST_CARRIED: f64 = 0.95;
const NAME_WIDTH: usize = 46;

/// The bound of a figure.
pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// Results by figure: a list for each server.
pub struct Table {
    servers: Vec<String>,
    rows: BTreeMap<String, Vec<Vec<f64>>>,
}

impl Table {
    pub fn new(servers: Vec<String>) -> Self {
        Self { servers, rows: BTreeMap::new() }
    }

    pub fn add(&mut self, figure: &str, server: usize, value: f64) {
        let lists = self.rows.entry(figure.into()).or_insert_with(|| vec![Vec::new(); self.servers.len()]);
        lists[server].push(value);
    }

    /// Prints the medians, and how much the first server has of each other one. Returns whether the
    /// first one keeps its bounds, and a server of this binary carries as much as `against` of the
    /// other.
    pub fn report(self, bounds: &[(&str, Bound)], against: &[(usize, usize)]) -> bool {
        print!("{:<NAME_WIDTH$}", "");
        for (number, server) in self.servers.iter().enumerate() {
            print!("{server:>18}{}", if number == 0 { "" } else { "   ratio" });
        }
        println!();
        let mut are_kept = true;
        for (figure, lists) in &self.rows {
            let medians: Vec<f64> = lists.iter().map(|list| median(list.clone())).collect();
            print!("{figure:<NAME_WIDTH$}");
            for (number, value) in medians.iter().enumerate() {
                print!("{value:>18.2}");
                if number > 0 {
                    print!("{:>8.2}", medians[0] / value);
                }
            }
            println!();
            let is_carried = |(own, other): &(usize, usize)| {
                !figure.ends_with("/s") || medians[*own] >= medians[*other] * LEAST_CARRIED
            };
            let is_kept = bounds.iter().filter(|(bounded, _)| bounded == figure).all(|(_, bound)| match bound {
                Bound::AtLeast(least) => medians[0] >= *least,
                Bound::AtMost(most) => medians[0] <= *most,
            });
            if !is_kept || !against.iter().all(is_carried) {
                println!("^ a bound was missed");
                are_kept = false;
            }
        }
        are_kept
    }
}

/// Returns the middle value, or not a number where nothing was measured.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
