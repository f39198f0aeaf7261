//! What an epoch reads.

use alloc::vec::Vec;
use myelin_fixed::I64F64;

/// One row of a weight or bond matrix as chain state holds it: `(target uid, value)`, in the validator's order.
pub type SparseRow = Vec<(u16, u16)>;

/// Everything that one epoch of one mechanism of a subnet depends on.
///
/// Lists are indexed by uid. They may be shorter than [`uid_count`](Self::uid_count); each says what a missing
/// entry means. Longer ones are cut off.
#[derive(Clone, Debug)]
pub struct EpochInput<'a> {
    /// Number of uids, `n`.
    pub uid_count: u16,
    /// Number of the current block.
    pub block: u64,
    /// Blocks from one epoch to the next.
    pub tempo: u16,
    /// Blocks without new weights after which a validator stops counting.
    pub activity_cutoff: u64,
    /// Block of the last epoch that completed, 0 if there was none.
    pub last_step_block: u64,
    /// Block in which each uid last set or committed weights. Missing: never, and inactive; but if the whole list
    /// is empty, nobody's stake is taken for inactive.
    pub last_update: &'a [u64],
    /// Block in which each uid was registered. Missing: 0.
    pub block_at_registration: &'a [u64],
    /// Stake weight of each uid in rao, before the threshold: see [`total_stake`](crate::total_stake). Missing: 0.
    pub total_stake: &'a [I64F64],
    /// Stake in rao below which a uid other than the owner's counts as having none.
    pub stake_threshold: u64,
    /// Uid of the subnet owner's hotkey, if it has one.
    pub owner: Option<u16>,
    /// Who held a validator permit after the previous epoch. Missing: no permit; but if the whole list is empty, nobody's
    /// stake is taken for that of a uid without one, while weights are.
    pub validator_permits: &'a [bool],
    /// How many permits to give, `K`; the owner's comes on top.
    pub max_allowed_validators: u16,
    /// With commit-reveal, the block of each uid's oldest unrevealed commit. `None`: commit-reveal is off.
    /// Missing: no such commit.
    pub commit_blocks: Option<&'a [Option<u64>]>,
    /// Weights that validators set, `W`. Missing: empty.
    pub weights: &'a [SparseRow],
    /// Bonds that the previous epoch stored, `B`. Missing: empty.
    pub bonds: &'a [SparseRow],
    /// The subnet's consensus parameters.
    pub parameters: Parameters,
    /// What there is to distribute, in alpha rao.
    pub emission: u64,
}

/// Consensus hyperparameters of a subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Majority that agrees on a weight, `kappa`, in 65535ths.
    pub kappa: u16,
    /// How much of a weight above consensus is lost to the validator's bonds, `beta`, in 65535ths.
    pub bonds_penalty: u16,
    /// How much of the old bonds stays, in millionths.
    pub bonds_moving_average: u64,
    /// How bonds are computed.
    pub version: YumaVersion,
}

impl Default for Parameters {
    /// The defaults of a new subnet.
    fn default() -> Self {
        Self {
            kappa: 32_767,
            bonds_penalty: u16::MAX,
            bonds_moving_average: 900_000,
            version: YumaVersion::Yuma3 { liquid_alpha: None },
        }
    }
}

/// The two ways of computing bonds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum YumaVersion {
    /// Bonds are shares of a target, weighted by stake as they are bought.
    Yuma2,
    /// Bonds are a validator's own, between 0 and 1, and weighted by stake when dividends are paid.
    Yuma3 {
        /// Moves each bond at its own rate instead of at the common one.
        liquid_alpha: Option<LiquidAlpha>,
    },
}

impl YumaVersion {
    /// The version that a subnet's flags stand for. Yuma 2 has no liquid alpha.
    pub fn from_flags(yuma3: bool, liquid_alpha_on: bool, liquid_alpha: LiquidAlpha) -> Self {
        if yuma3 {
            Self::Yuma3 { liquid_alpha: liquid_alpha_on.then_some(liquid_alpha) }
        } else {
            Self::Yuma2
        }
    }
}

/// The sigmoid that turns a difference between weight, bond and consensus into a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiquidAlpha {
    /// Lowest rate, in 65535ths.
    pub low: u16,
    /// Highest rate, in 65535ths.
    pub high: u16,
    /// Steepness in hundredths; positive makes larger differences move faster.
    pub steepness: i16,
}

impl Default for LiquidAlpha {
    fn default() -> Self {
        Self { low: 45_875, high: 58_982, steepness: 1_000 }
    }
}
