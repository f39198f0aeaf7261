//! What a transaction costs: a linear price for its weight and one rao for each byte.

use frame_support::weights::{Weight, WeightToFee as WeightToFeeT};
use sp_runtime::Perbill;

use crate::Balance;

/// 0.0005 rao for each unit of reference time.
pub struct WeightToFee;

impl WeightToFeeT for WeightToFee {
    type Balance = Balance;

    fn weight_to_fee(weight: &Weight) -> Balance {
        Perbill::from_parts(500_000).mul_floor(weight.ref_time())
    }
}

/// One rao a byte.
pub type LengthToFee = frame_support::weights::IdentityFee<Balance>;
