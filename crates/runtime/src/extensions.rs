//! Checks before a transaction is taken into the pool or a block.

use codec::{Decode, DecodeWithMemTracking, Encode};
use frame_support::{
    dispatch::{DispatchInfo, Pays},
    pallet_prelude::Weight,
};
use pallet_subtensor::{delegation::TakeChange, AxonInfo, Call, Error, MechId, NetUid, PrometheusInfo};
use scale_info::TypeInfo;
use sp_runtime::{
    impl_tx_ext_default,
    traits::{
        DispatchInfoOf, DispatchOriginOf, Implication, PostDispatchInfoOf, TransactionExtension,
        ValidateResult,
    },
    transaction_validity::{
        InvalidTransaction, TransactionLongevity, TransactionSource, TransactionValidityError,
        ValidTransaction,
    },
    DispatchResult,
};

use crate::{accounts::Accounts, AccountId, Nonce, Runtime, RuntimeCall, RuntimeOrigin, SubtensorModule};

type MarketError = Error<Runtime>;

/// The number under which clients know that something comes too soon.
const RATE_LIMIT_EXCEEDED: u8 = 6;

/// An account's transactions take effect in order, each once.
///
/// Unlike the stock check it lets an account without funds send what costs nothing: hotkeys set weights and announce
/// endpoints, and hold no TAO.
#[derive(Encode, Decode, DecodeWithMemTracking, Clone, PartialEq, Eq, Debug, TypeInfo)]
pub struct CheckNonce(#[codec(compact)] pub Nonce);

impl CheckNonce {
    fn validate_for(
        &self,
        who: &AccountId,
        info: &DispatchInfo,
    ) -> Result<ValidTransaction, TransactionValidityError> {
        let account = Accounts::info(who);
        let exists = account.providers > 0 || account.sufficients > 0;
        if !exists && info.pays_fee == Pays::Yes {
            return Err(InvalidTransaction::Payment.into());
        }
        // The last one of all is never counted.
        if self.0 < account.nonce || self.0 == Nonce::MAX {
            return Err(InvalidTransaction::Stale.into());
        }
        let tag = |nonce: Nonce| (who, nonce).encode();
        let requires = self.0.checked_sub(1).filter(|_| self.0 > account.nonce).map(tag);
        Ok(ValidTransaction {
            requires: requires.into_iter().collect(),
            provides: vec![tag(self.0)],
            longevity: TransactionLongevity::MAX,
            propagate: true,
            priority: 0,
        })
    }
}

impl TransactionExtension<RuntimeCall> for CheckNonce {
    const IDENTIFIER: &'static str = "CheckNonce";
    type Implicit = ();
    type Val = Option<AccountId>;
    type Pre = ();

    fn weight(&self, _: &RuntimeCall) -> Weight {
        <<Runtime as frame_system::Config>::ExtensionsWeightInfo as frame_system::ExtensionsWeightInfo>::check_nonce()
    }

    fn validate(
        &self,
        origin: DispatchOriginOf<RuntimeCall>,
        _call: &RuntimeCall,
        info: &DispatchInfoOf<RuntimeCall>,
        _len: usize,
        _implicit: (),
        _implication: &impl Implication,
        _source: TransactionSource,
    ) -> ValidateResult<Self::Val, RuntimeCall> {
        match signer(&origin) {
            None => Ok((ValidTransaction::default(), None, origin)),
            Some(who) => Ok((self.validate_for(&who, info)?, Some(who), origin)),
        }
    }

    fn prepare(
        self,
        signer: Self::Val,
        _origin: &DispatchOriginOf<RuntimeCall>,
        _call: &RuntimeCall,
        _info: &DispatchInfoOf<RuntimeCall>,
        _len: usize,
    ) -> Result<(), TransactionValidityError> {
        match signer {
            None => Ok(()),
            Some(who) => Accounts::count_transaction(&who, self.0),
        }
    }
}

/// Keeps out of blocks what would fail there without paying: weights, announcements and takes cost nothing, so that whoever
/// may not send them must not take room. Whose call fails all the same waits before the next.
#[derive(Encode, Decode, DecodeWithMemTracking, Clone, Copy, Default, PartialEq, Eq, Debug, TypeInfo)]
pub struct MarketGuards;

impl TransactionExtension<RuntimeCall> for MarketGuards {
    const IDENTIFIER: &'static str = "SubtensorTransactionExtension";
    type Implicit = ();
    type Val = Option<AccountId>;
    /// Who sends a call without a fee.
    type Pre = Option<AccountId>;

    fn validate(
        &self,
        origin: DispatchOriginOf<RuntimeCall>,
        call: &RuntimeCall,
        info: &DispatchInfoOf<RuntimeCall>,
        _len: usize,
        _implicit: (),
        _implication: &impl Implication,
        _source: TransactionSource,
    ) -> ValidateResult<Self::Val, RuntimeCall> {
        let (Some(who), RuntimeCall::SubtensorModule(call)) = (signer(&origin), call) else {
            return Ok((ValidTransaction::default(), None, origin));
        };
        check_market_call(&who, call).map_err(custom)?;
        let free = (info.pays_fee == Pays::No).then_some(who);
        if free.as_ref().is_some_and(|who| !SubtensorModule::may_send_for_free(who)) {
            return Err(InvalidTransaction::Custom(RATE_LIMIT_EXCEEDED).into());
        }
        Ok((ValidTransaction::default(), free, origin))
    }

    fn prepare(
        self,
        free: Self::Val,
        _origin: &DispatchOriginOf<RuntimeCall>,
        _call: &RuntimeCall,
        _info: &DispatchInfoOf<RuntimeCall>,
        _len: usize,
    ) -> Result<Self::Pre, TransactionValidityError> {
        Ok(free)
    }

    fn post_dispatch_details(
        free: Self::Pre,
        _info: &DispatchInfoOf<RuntimeCall>,
        _post_info: &PostDispatchInfoOf<RuntimeCall>,
        _len: usize,
        result: &DispatchResult,
    ) -> Result<Weight, TransactionValidityError> {
        if let (Some(who), Err(_)) = (free, result) {
            SubtensorModule::note_free_failure(&who);
        }
        Ok(Weight::zero())
    }

    impl_tx_ext_default!(RuntimeCall; weight);
}

fn signer(origin: &RuntimeOrigin) -> Option<AccountId> {
    use frame_support::traits::OriginTrait;
    origin.as_signer().cloned()
}

fn check_market_call(who: &AccountId, call: &Call<Runtime>) -> Result<(), MarketError> {
    match *call {
        Call::set_weights { netuid, ref dests, ref weights, .. } => {
            check_weights_call(who, netuid, 0)?;
            SubtensorModule::check_lengths(netuid, dests, weights)
        }
        Call::set_mechanism_weights { netuid, mecid, ref dests, ref weights, .. } => {
            check_weights_call(who, netuid, mecid)?;
            SubtensorModule::check_lengths(netuid, dests, weights)
        }
        Call::serve_axon { netuid, ip, port, ip_type, .. } => {
            SubtensorModule::check_axon(netuid, who, &AxonInfo { ip, port, ip_type, ..Default::default() })
        }
        Call::serve_prometheus { netuid, ip, port, ip_type, .. } => {
            let endpoint = PrometheusInfo { ip, port, ip_type, ..Default::default() };
            SubtensorModule::check_prometheus(netuid, who, &endpoint)
        }
        Call::decrease_take { ref hotkey, take } => {
            SubtensorModule::check_take(who, hotkey, take, TakeChange::Decrease)
        }
        Call::increase_take { ref hotkey, take } => {
            SubtensorModule::check_take(who, hotkey, take, TakeChange::Increase)
        }
        Call::register_network { .. } if !SubtensorModule::network_rate_limit_passed() => {
            Err(MarketError::NetworkTxRateLimitExceeded)
        }
        _ => Ok(()),
    }
}

fn check_weights_call(who: &AccountId, netuid: NetUid, mechanism: MechId) -> Result<(), MarketError> {
    let uid = SubtensorModule::uid_of(netuid, who).ok_or(MarketError::HotKeyNotRegisteredInNetwork)?;
    if !SubtensorModule::has_stake_for_weights(netuid, who) {
        return Err(MarketError::NotEnoughStakeToSetWeights);
    }
    let index = pallet_subtensor::storage_index(netuid, mechanism);
    if !SubtensorModule::weights_rate_limit_passed(netuid, index, uid) {
        return Err(MarketError::SettingWeightsTooFast);
    }
    Ok(())
}

/// The number under which clients know an error of the pool.
fn custom(error: MarketError) -> TransactionValidityError {
    let code = match error {
        MarketError::NotEnoughStakeToSetWeights => 1,
        MarketError::HotKeyAccountNotExists => 4,
        MarketError::SettingWeightsTooFast
        | MarketError::NetworkTxRateLimitExceeded
        | MarketError::DelegateTxRateLimitExceeded => RATE_LIMIT_EXCEEDED,
        MarketError::HotKeyNotRegisteredInNetwork => 10,
        MarketError::InvalidIpType | MarketError::InvalidIpAddress => 11,
        MarketError::ServingRateLimitExceeded => 12,
        MarketError::InvalidPort => 13,
        MarketError::WeightVecNotEqualSize => 18,
        MarketError::NonAssociatedColdKey => 25,
        MarketError::DelegateTakeTooLow => 26,
        MarketError::DelegateTakeTooHigh => 27,
        _ => 255,
    };
    InvalidTransaction::Custom(code).into()
}
