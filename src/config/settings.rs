//! The form in which a part of the settings is written: each setting once, with its meaning, its
//! name, its default and its rule.

/// Declares the settings of one concern and how they are read, in this order:
/// `pub field: Type = how("NAME", …)`, where `how` is a method of [`Reader`](super::reader::Reader).
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
