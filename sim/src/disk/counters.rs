//! What happened to a disk, for reports.

use std::fmt;
use std::ops::AddAssign;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What happened to a disk.
        #[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl AddAssign for Counters {
            fn add_assign(&mut self, other: Counters) {
                $(self.$name += other.$name;)*
            }
        }

        impl fmt::Display for Counters {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let all = [$((stringify!($name), self.$name),)*];
                for (i, (name, count)) in all.into_iter().filter(|(_, n)| *n > 0).enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}{count} {}", name.replace('_', " "))?;
                }
                Ok(())
            }
        }
    };
}

counters! {
    /// Calls that read.
    reads,
    /// Calls that write.
    writes,
    /// Bytes that they wrote.
    bytes_written,
    /// Calls that change a file's size.
    truncations,
    /// Calls that sync a file, those that did nothing among them.
    syncs,
    /// Files that were made.
    created,
    /// Files that were deleted.
    deleted,
    /// Reads that failed by plan.
    failed_reads,
    /// Writes that failed by plan.
    failed_writes,
    /// Syncs that failed by plan.
    failed_syncs,
    /// Writes for which there was no space.
    writes_without_space,
    /// Syncs that were called done and were not.
    lies,
    /// Times that the machine stopped in the middle, by plan.
    halts,
    /// Processes that were killed.
    kills,
    /// Power losses.
    power_losses,
    /// Unsynced changes that survived a power loss.
    kept,
    /// Unsynced changes that did not.
    dropped,
    /// Writes of which a power loss left some sectors.
    torn,
    /// The sectors of these that are missing.
    torn_sectors,
}
