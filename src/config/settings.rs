//! The syntax for a group of settings: each setting appears once, with its meaning, name, default
//! and rule.

/// Declares the settings of one concern and how they are read, in this order: `pub field: Type =
/// how("NAME", …)`. `how` is a method of [`Reader`](super::reader::Reader).
macro_rules! settings {
    ($(#[$about:meta])* pub struct $concern:ident {
        $($(#[$meaning:meta])* pub $field:ident: $type:ty = $how:ident($($argument:expr),* $(,)?),)*
    }) => {
        $(#[$about])*
        #[derive(Clone, Debug)]
        pub struct $concern {
            $($(#[$meaning])* pub $field: $type,)*
        }

        impl $concern {
            pub(super) fn read(
                env: &mut $crate::config::reader::Reader,
            ) -> Result<Self, $crate::config::reader::BadSetting> {
                $(let $field = env.$how($($argument),*)?;)*
                Ok(Self { $($field),* })
            }
        }
    };
}
pub(super) use settings;
