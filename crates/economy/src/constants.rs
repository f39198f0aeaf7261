//! Every constant of the economy, with its unit in its name.
//!
//! Block counts are those of a chain with 12-second blocks; a chain with another interval scales them where it
//! configures its pallets, not here.

/// Rao in one TAO, and alpha-rao in one alpha.
pub const RAO_PER_TAO: u64 = 1_000_000_000;

/// The most TAO that will ever exist, in rao. Each subnet's alpha has the same ceiling.
pub const TOTAL_SUPPLY_RAO: u64 = 21_000_000 * RAO_PER_TAO;

/// Emission of one block before the first halving, in rao.
pub const DEFAULT_BLOCK_EMISSION_RAO: u64 = RAO_PER_TAO;

/// Parts in one whole pool weight (a Perquintill).
pub const PERQUINTILL_PARTS: u64 = 1_000_000_000_000_000_000;

/// Quote weight of a new pool: TAO and alpha count the same.
pub const DEFAULT_QUOTE_WEIGHT_PARTS: u64 = PERQUINTILL_PARTS / 2;

/// Neither side of a pool may weigh less than this: 1 %.
pub const MIN_WEIGHT_PARTS: u64 = PERQUINTILL_PARTS / 100;

/// Fraction bits that the power function of a swap works with.
pub const SWAP_PRECISION_BITS: u64 = 256;

/// Fraction bits that the power function of a price limit works with.
pub const LIMIT_PRECISION_BITS: u64 = 1024;

/// A pool must hold at least this much of what it pays out, in rao.
pub const MIN_POOL_RESERVE_RAO: u64 = 1_000_000;

/// A swap may put in at most this many times the reserve of what it puts in.
pub const MAX_INPUT_PER_RESERVE: u64 = 1_000;

/// Fee of a swap on its input, in 65535ths: about 0.05 %.
pub const DEFAULT_FEE_RATE_U16: u16 = 33;

/// Highest settable swap fee, in 65535ths: about 15 %.
pub const MAX_FEE_RATE_U16: u16 = 10_000;

/// The limit that no purchase reaches, in rao of TAO per alpha.
pub const MAX_LIMIT_PRICE_RAO: u64 = 1_000_000_000_000_000;

/// The limit that no sale reaches, in rao of TAO per alpha.
pub const MIN_LIMIT_PRICE_RAO: u64 = 1_000;

/// Smallest stake operation, in rao of TAO.
pub const MIN_STAKE_RAO: u64 = 2_000_000;

/// Weight of root TAO against alpha, in (2^64 - 1)ths: about 0.0527.
pub const DEFAULT_TAO_WEIGHT_U64: u64 = 971_718_665_099_567_868;

/// Owner's cut of a subnet's alpha emission, in 65535ths: 18 %.
pub const DEFAULT_OWNER_CUT_U16: u16 = 11_796;

/// A delegate's take when none was set, and the highest, in 65535ths: 18 %.
pub const DEFAULT_DELEGATE_TAKE_U16: u16 = 11_796;

/// Highest take of a child key, in 65535ths: 18 %.
pub const MAX_CHILDKEY_TAKE_U16: u16 = 11_796;

/// Bits of the I96F32 base factor of the moving price: 0.000003.
pub const DEFAULT_MOVING_ALPHA_BITS: i128 = 12_885;

/// Blocks after which half the base factor of the moving price applies.
pub const DEFAULT_PRICE_HALVING_BLOCKS: u64 = 201_600;

/// Shortest tempo that a subnet owner may set, in blocks.
pub const MIN_TEMPO_BLOCKS: u16 = 360;

/// Longest tempo that a subnet owner may set, in blocks.
pub const MAX_TEMPO_BLOCKS: u16 = 50_400;

/// An epoch is due after this many blocks without one, whatever the tempo.
pub const MAX_BLOCKS_WITHOUT_EPOCH: u64 = 50_400;

/// Blocks before an epoch in which a subnet's parameters are frozen.
pub const DEFAULT_FREEZE_WINDOW_BLOCKS: u64 = 10;

/// Epochs that one block may run; others slip to the next block.
pub const DEFAULT_MAX_EPOCHS_PER_BLOCK: u8 = 2;

/// Lowest registration price, in rao.
pub const DEFAULT_MIN_BURN_RAO: u64 = 500_000;

/// Highest registration price, in rao: 100 TAO.
pub const DEFAULT_MAX_BURN_RAO: u64 = 100 * RAO_PER_TAO;

/// Registration price of a new subnet, in rao: 1 TAO.
pub const NEW_SUBNET_BURN_RAO: u64 = RAO_PER_TAO;

/// Blocks in which the registration price halves without registrations.
pub const DEFAULT_BURN_HALF_LIFE_BLOCKS: u16 = 360;

/// Bits of the U64F64 factor on the registration price after a registration: 1.26.
pub const DEFAULT_BURN_INCREASE_BITS: u128 = 23_242_897_532_874_035_200;

/// A full subnet prunes immune neurons once no more than this many are not immune.
pub const DEFAULT_MIN_NON_IMMUNE_UIDS: u16 = 10;

/// Neurons of the subnet owner that cannot be pruned.
pub const DEFAULT_IMMUNE_OWNER_UIDS_LIMIT: u16 = 1;

/// Lowest price of a new subnet, in rao: 1000 TAO.
pub const DEFAULT_MIN_LOCK_COST_RAO: u64 = 1_000 * RAO_PER_TAO;

/// Blocks in which the price of a new subnet falls by the last price paid: 14 days.
pub const DEFAULT_LOCK_REDUCTION_INTERVAL_BLOCKS: u64 = 14 * 7_200;

/// Root dividends below this are not claimed, in alpha-rao.
pub const DEFAULT_ROOT_CLAIMABLE_THRESHOLD_RAO: u64 = 500_000;

/// Staking coldkeys whose root dividends each block claims for them.
pub const DEFAULT_AUTO_CLAIM_DRAWS: u64 = 5;
