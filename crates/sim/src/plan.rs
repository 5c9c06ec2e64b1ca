//! What one seed stands for, apart from the moments at which things happen.

use crate::dice::Dice;

/// The name of the database under test.
pub const DATABASE: &str = "bank";
/// What each account starts with.
pub const BALANCE: i64 = 1_000;

/// One run's parameters.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// How many times the primary changes sides.
    pub rounds: u32,
    /// Record every call over the network too.
    pub full_trace: bool,
    /// Partitions of the database.
    pub partitions: u16,
    /// Rows of `accounts`.
    pub accounts: i64,
    /// Clients at work at the same time.
    pub clients: u64,
    /// The longest pause of a client between transactions.
    pub think_ms: u64,
    /// Bytes of row versions in memory before the engine spills by itself.
    pub delta_bytes: usize,
    /// How long old row versions stay readable.
    pub version_retention_ms: u64,
    /// Bytes of log kept although nobody needs them.
    pub log_retention_bytes: u64,
    /// Size of a log segment.
    pub segment_bytes: u64,
    /// How long a write of the log takes.
    pub write_ms: u64,
    /// Rows of a chunk's row group.
    pub row_group_rows: usize,
    /// Bytes of a chunk.
    pub chunk_bytes: usize,
    /// The mean time between two pieces of mischief of one kind; 0 for none.
    pub mischief_ms: u64,
    /// Per mille of transactions with a long note.
    pub large_per_mille: u64,
    /// How long such a note is at most; beyond a mebibyte a transaction takes several records.
    pub large_bytes: u64,
    /// `WITH SYNC DURABILITY`: what is acknowledged survives a loss of power.
    pub sync: bool,
    /// The first copy is made of a database that has been spilled and whose log was trimmed.
    pub copy_from_base: bool,
    /// Transactions reach their partitions as over a network.
    pub far: bool,
    /// How late a decision reaches a partition that is far, at most.
    pub decide_ms: u64,
    /// Now and then slots are given up and logs go, so that contents are compared.
    pub forgets: bool,
    /// Standbys verify themselves all the time.
    pub verifies: bool,
}

impl Plan {
    /// Draws a plan.
    pub fn draw(seed: u64, rounds: Option<u32>, dice: &Dice) -> Plan {
        let drawn = dice.range(1, 4) as u32;
        Plan {
            seed,
            rounds: rounds.unwrap_or(drawn),
            full_trace: false,
            partitions: dice.pick(&[1, 2, 2, 3, 4, 5]),
            accounts: dice.range(4, 24) as i64,
            clients: dice.range(2, 6),
            think_ms: dice.pick(&[20, 60, 150]),
            delta_bytes: dice.pick(&[4 << 10, 64 << 10, 64 << 20]),
            log_retention_bytes: dice.pick(&[0, 0, 1 << 30]),
            segment_bytes: dice.pick(&[64 << 10, 128 << 10, 512 << 10]),
            write_ms: dice.pick(&[0, 1, 4, 15]),
            row_group_rows: dice.pick(&[4, 64, 8_192]),
            chunk_bytes: dice.pick(&[1 << 10, 16 << 10, 16 << 20]),
            mischief_ms: dice.pick(&[0, 300, 800, 800, 2_000, 2_000]),
            large_per_mille: dice.pick(&[0, 0, 4, 20]),
            large_bytes: dice.pick(&[60_000, 60_000, 1_200_000]),
            sync: !dice.chance(10),
            copy_from_base: dice.chance(40),
            version_retention_ms: dice.pick(&[0, 2_000, 10_000, 600_000]),
            // Not drawn: it would change the luck of every seed that once found something.
            far: seed % 5 == 4,
            decide_ms: if seed % 10 == 9 { 400 } else { 0 },
            forgets: seed % 6 == 2,
            verifies: seed % 6 == 2 || seed % 7 == 2,
        }
    }
}
