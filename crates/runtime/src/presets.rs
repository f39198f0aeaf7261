//! Genesis presets.

use codec::Encode;
use sp_core::storage::Storage;
use sp_keyring::Sr25519Keyring as Keyring;
use sp_runtime::BuildStorage;

use pallet_subtensor::genesis::{ChainParameters, SubnetParameters};
pub use pallet_validators::{ConsensusTiming, Validator};

use crate::{
    AccountId, Balance, BalancesConfig, RuntimeGenesisConfig, SlotDuration, SubtensorModule,
    SubtensorModuleConfig, SudoConfig, ValidatorsConfig, RAO_PER_TAO,
};

/// What a chain starts from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Genesis {
    /// Free balances in rao.
    pub balances: Vec<(AccountId, Balance)>,
    /// May call `Sudo`; development chains only.
    pub sudo: Option<AccountId>,
    /// Milliseconds between blocks.
    pub slot_duration_ms: u64,
    /// The market's own parameters.
    pub market: ChainParameters,
    /// Who orders blocks. Nobody on a chain that one node orders alone, such as a development chain.
    #[serde(default)]
    pub validators: Vec<Validator<AccountId>>,
    /// How long validators wait for each other; nothing for what suits the pace of the chain.
    #[serde(default)]
    pub timing: Option<ConsensusTiming>,
}

impl Genesis {
    /// A development chain: Alice, Bob and Charlie hold a million TAO each, the rest of the well-known accounts 2000.
    pub fn development(slot_duration_ms: u64) -> Self {
        let rich = [Keyring::Alice, Keyring::Bob, Keyring::Charlie];
        let others = [Keyring::Dave, Keyring::Eve, Keyring::Ferdie, Keyring::One, Keyring::Two];
        let endow = |keys: &[Keyring], tao: Balance| {
            keys.iter().map(|key| (key.to_account_id(), tao * RAO_PER_TAO)).collect::<Vec<_>>()
        };
        Self {
            balances: [endow(&rich, 1_000_000), endow(&others, 2_000)].concat(),
            sudo: Some(Keyring::Alice.to_account_id()),
            slot_duration_ms,
            market: development_market(),
            validators: Vec::new(),
            timing: None,
        }
    }

    /// The state of block 0.
    ///
    /// # Errors
    /// A text that names what is not acceptable, such as a balance below the existential deposit.
    pub fn build_storage(&self) -> Result<Storage, String> {
        check_balances(&self.balances)?;
        check_validators(&self.validators)?;
        let mut storage = RuntimeGenesisConfig {
            balances: BalancesConfig { balances: self.balances.clone(), ..Default::default() },
            sudo: SudoConfig { key: self.sudo.clone() },
            subtensor_module: SubtensorModuleConfig {
                chain: Some(self.market.clone()),
                ..Default::default()
            },
            validators: ValidatorsConfig { members: self.validators.clone(), timing: self.timing },
            ..Default::default()
        }
        .build_storage()?;
        storage.top.insert(SlotDuration::key().to_vec(), self.slot_duration_ms.encode());
        Ok(storage)
    }
}

fn check_balances(balances: &[(AccountId, Balance)]) -> Result<(), String> {
    match balances.iter().find(|(account, _)| SubtensorModule::is_pool_account(account)) {
        Some((pool, _)) => {
            Err(format!("{pool} holds the TAO of a subnet's pool; take it out of the genesis balances"))
        }
        None => Ok(()),
    }
}

fn check_validators(validators: &[Validator<AccountId>]) -> Result<(), String> {
    for (index, validator) in validators.iter().enumerate() {
        if validator.power == 0 {
            return Err(format!("validator {:?} has no power; give it at least 1", validator.key));
        }
        if validators[..index].iter().any(|other| other.key == validator.key) {
            return Err(format!(
                "validator {:?} is listed twice; every validator needs its own key",
                validator.key
            ));
        }
    }
    Ok(())
}

/// Periods short enough to watch: an epoch of ten blocks, and no waiting between registrations.
fn development_market() -> ChainParameters {
    ChainParameters {
        new_subnet: SubnetParameters {
            tempo: 10,
            immunity_period: 5000,
            weights_set_rate_limit: 0,
            serving_rate_limit: 0,
            emission_enabled: true,
            loopback_allowed: true,
        },
        network_rate_limit: 0,
        min_lock_cost: 1_000 * RAO_PER_TAO,
        lock_reduction_interval: 100_800,
        root_registrations_target: 64,
        max_epochs_per_block: 32,
    }
}
