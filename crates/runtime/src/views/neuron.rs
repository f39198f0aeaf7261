//! The neurons of a subnet, one record each.

use alloc::vec::Vec;

use codec::Compact;
use pallet_subtensor::{storage_index, AxonInfo, NetUid, PrometheusInfo, Uid};

use super::{value_of, Market};
use crate::AccountId;

/// Targets of a neuron with a share of 65535 for each.
pub type Links = Vec<(Compact<Uid>, Compact<u16>)>;

/// What the last epochs said about all neurons of a subnet, by uid.
struct Results {
    netuid: NetUid,
    active: Vec<bool>,
    emission: Vec<u64>,
    incentive: Vec<u16>,
    consensus: Vec<u16>,
    validator_trust: Vec<u16>,
    dividends: Vec<u16>,
    last_update: Vec<u64>,
    validator_permit: Vec<bool>,
}

impl Results {
    fn of(netuid: NetUid) -> Self {
        let index = storage_index(netuid, 0);
        Self {
            netuid,
            active: Market::active(netuid),
            emission: Market::neuron_emission(netuid),
            incentive: Market::incentive(index),
            consensus: Market::consensus(netuid),
            validator_trust: Market::validator_trust(netuid),
            dividends: Market::dividends(netuid),
            last_update: Market::last_updates(index),
            validator_permit: Market::validator_permits(netuid),
        }
    }
}

/// One neuron and where its record comes from.
struct Slot<'results> {
    results: &'results Results,
    uid: Uid,
    hotkey: AccountId,
}

impl Slot<'_> {
    fn links(&self, of: impl Fn(u16, Uid) -> Vec<(Uid, u16)>) -> Links {
        of(storage_index(self.results.netuid, 0), self.uid)
            .into_iter()
            .filter(|(_, share)| *share > 0)
            .map(|(target, share)| (Compact(target), Compact(share)))
            .collect()
    }
}

records! {
    (slot: &Slot<'_>)
    /// A neuron, without what it says about others.
    short NeuronInfoLite;
    /// A neuron.
    long NeuronInfo;
    both {
        /// Key that signs for the neuron.
        hotkey: AccountId = slot.hotkey.clone();
        /// Key that owns the hotkey.
        coldkey: AccountId = Market::coldkey_of(&slot.hotkey);
        /// Slot on the subnet.
        #[codec(compact)]
        uid: Uid = slot.uid;
        /// The subnet.
        #[codec(compact)]
        netuid: NetUid = slot.results.netuid;
        /// Whether it has set weights lately.
        active: bool = value_of(&slot.results.active, slot.uid);
        /// Where it answers; all zero for nowhere.
        axon_info: AxonInfo = Market::axon(slot.results.netuid, &slot.hotkey).unwrap_or_default();
        /// Where it serves metrics; all zero for nowhere.
        prometheus_info: PrometheusInfo =
            Market::prometheus(slot.results.netuid, &slot.hotkey).unwrap_or_default();
        /// One row: the owner's coldkey, and all alpha behind the hotkey, whoever staked it.
        stake: Vec<(AccountId, Compact<u64>)> = vec![(
            Market::coldkey_of(&slot.hotkey),
            Compact(Market::hotkey_alpha(&slot.hotkey, slot.results.netuid)),
        )];
        /// Always 0; the protocol has no ranks any more.
        #[codec(compact)]
        rank: u16 = 0;
        /// Alpha earned in the last epoch.
        #[codec(compact)]
        emission: u64 = value_of(&slot.results.emission, slot.uid);
        /// Share of the miners' reward, of 65535.
        #[codec(compact)]
        incentive: u16 = value_of(&slot.results.incentive, slot.uid);
        /// Agreed weight, of 65535.
        #[codec(compact)]
        consensus: u16 = value_of(&slot.results.consensus, slot.uid);
        /// Always 0; the protocol has no trust any more.
        #[codec(compact)]
        trust: u16 = 0;
        /// Share of its weights that consensus kept, of 65535.
        #[codec(compact)]
        validator_trust: u16 = value_of(&slot.results.validator_trust, slot.uid);
        /// Share of the validators' reward, of 65535.
        #[codec(compact)]
        dividends: u16 = value_of(&slot.results.dividends, slot.uid);
        /// Block of its last weights.
        #[codec(compact)]
        last_update: u64 = value_of(&slot.results.last_update, slot.uid);
        /// Whether it may validate.
        validator_permit: bool = value_of(&slot.results.validator_permit, slot.uid);
    }
    long {
        /// What it says about others on mechanism 0, without zeros.
        weights: Links = slot.links(Market::weights_of);
        /// What it has invested in others on mechanism 0, without zeros.
        bonds: Links = slot.links(Market::bonds_of);
    }
    both {
        /// Always 65535; the protocol has no pruning scores any more.
        #[codec(compact)]
        pruning_score: u16 = u16::MAX;
    }
}

/// All neurons of `netuid`; none if it does not exist.
pub fn neurons(netuid: NetUid) -> Vec<NeuronInfo> {
    each(netuid, NeuronInfo::of)
}

/// All neurons of `netuid` without weights and bonds; none if it does not exist.
pub fn neurons_lite(netuid: NetUid) -> Vec<NeuronInfoLite> {
    each(netuid, NeuronInfoLite::of)
}

/// The neuron in slot `uid`.
pub fn neuron(netuid: NetUid, uid: Uid) -> Option<NeuronInfo> {
    one(netuid, uid, NeuronInfo::of)
}

/// The neuron in slot `uid` without weights and bonds.
pub fn neuron_lite(netuid: NetUid, uid: Uid) -> Option<NeuronInfoLite> {
    one(netuid, uid, NeuronInfoLite::of)
}

/// Records of all slots up to the first that nobody holds.
fn each<Record>(netuid: NetUid, record: impl Fn(&Slot<'_>) -> Record) -> Vec<Record> {
    let results = Results::of(netuid);
    (0..Market::neuron_count(netuid))
        .map_while(|uid| Some(Slot { results: &results, uid, hotkey: Market::hotkey_at(netuid, uid)? }))
        .map(|slot| record(&slot))
        .collect()
}

fn one<Record>(netuid: NetUid, uid: Uid, record: impl Fn(&Slot<'_>) -> Record) -> Option<Record> {
    let hotkey = Market::hotkey_at(netuid, uid)?;
    Some(record(&Slot { results: &Results::of(netuid), uid, hotkey }))
}
