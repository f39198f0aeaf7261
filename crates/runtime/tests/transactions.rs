//! What the pool takes and what it refuses, with the codes that clients know.

mod common;

use codec::Encode;
use common::{account, new_chain, run_block, run_blocks, tao};
use myelin_runtime::{
    extensions, AccountId, Executive, Runtime, RuntimeCall, SignedPayload, System, TxExtension,
    UncheckedExtrinsic, VERSION,
};
use pallet_subtensor::{rate_limits::PAUSE_AFTER_FREE_FAILURE, Call};
use sp_core::{sr25519, Pair};
use sp_keyring::Sr25519Keyring as Keyring;
use sp_runtime::{
    generic::Era,
    transaction_validity::{InvalidTransaction, TransactionSource, TransactionValidity},
    MultiAddress, MultiSignature,
};

/// Everything of a transaction that a test may want to spoil.
struct Draft {
    call: RuntimeCall,
    nonce: u32,
    era: Era,
    genesis: sp_core::H256,
    birth: sp_core::H256,
    spec_version: u32,
    signer: sr25519::Pair,
    sender: AccountId,
}

impl Draft {
    fn new(signer: sr25519::Pair, call: RuntimeCall) -> Self {
        let sender = AccountId::new(signer.public().0);
        let nonce = System::account_nonce(&sender);
        Self {
            call,
            nonce,
            era: Era::Immortal,
            genesis: System::block_hash(0),
            birth: System::block_hash(0),
            spec_version: VERSION.spec_version,
            signer,
            sender,
        }
    }

    fn extension(&self) -> TxExtension {
        (
            frame_system::CheckNonZeroSender::new(),
            frame_system::CheckSpecVersion::new(),
            frame_system::CheckTxVersion::new(),
            frame_system::CheckGenesis::new(),
            frame_system::CheckEra::from(self.era),
            extensions::CheckNonce(self.nonce),
            frame_system::CheckWeight::new(),
            pallet_transaction_payment::ChargeTransactionPayment::from(0),
            extensions::MarketGuards,
            frame_metadata_hash_extension::CheckMetadataHash::new(false),
        )
    }

    fn sign(&self) -> UncheckedExtrinsic {
        let implicit = (
            (),
            self.spec_version,
            VERSION.transaction_version,
            self.genesis,
            self.birth,
            (),
            (),
            (),
            (),
            None,
        );
        let payload = SignedPayload::from_raw(self.call.clone(), self.extension(), implicit);
        let signature = payload.using_encoded(|bytes| self.signer.sign(bytes));
        UncheckedExtrinsic::new_signed(
            self.call.clone(),
            MultiAddress::Id(self.sender.clone()),
            MultiSignature::Sr25519(signature).into(),
            self.extension(),
        )
    }

    fn validate(&self) -> TransactionValidity {
        Executive::validate_transaction(TransactionSource::External, self.sign(), System::block_hash(0))
    }
}

fn refused(validity: TransactionValidity) -> Option<InvalidTransaction> {
    match validity {
        Err(sp_runtime::transaction_validity::TransactionValidityError::Invalid(reason)) => Some(reason),
        _ => None,
    }
}

fn hotkey(seed: &str) -> sr25519::Pair {
    sr25519::Pair::from_string(&format!("//hotkey//{seed}"), None).expect("a derivation path")
}

fn market(call: Call<Runtime>) -> RuntimeCall {
    RuntimeCall::SubtensorModule(call)
}

fn transfer(value: u64) -> RuntimeCall {
    RuntimeCall::Balances(pallet_balances::Call::transfer_keep_alive { dest: account(7).into(), value })
}

fn weights(dests: Vec<u16>) -> RuntimeCall {
    let weights = vec![1; dests.len()];
    market(Call::set_weights { netuid: 1, dests, weights, version_key: 0 })
}

/// Subnet 1 of Alice, with Bob's hotkey in slot 1.
fn open_subnet(hotkey: &sr25519::Pair) {
    run_blocks(1);
    let hotkey = AccountId::new(hotkey.public().0);
    let (alice, bob) = (Keyring::Alice.to_account_id(), Keyring::Bob.to_account_id());
    let outcomes = run_block(vec![
        (alice.clone(), market(Call::register_network { hotkey: account(1) })),
        (alice, market(Call::start_call { netuid: 1 })),
        (bob, market(Call::burned_register { netuid: 1, hotkey })),
    ]);
    assert_eq!(outcomes, vec![Ok(()); 3]);
}

#[test]
fn a_good_transfer_is_taken() {
    new_chain().execute_with(|| {
        run_blocks(1);
        let validity = Draft::new(Keyring::Alice.pair(), transfer(tao(1))).validate().expect("valid");
        assert_eq!(validity.provides, vec![(Keyring::Alice.to_account_id(), 0_u32).encode()]);
        assert!(validity.requires.is_empty());
    });
}

#[test]
fn what_the_signature_covers_cannot_be_changed() {
    new_chain().execute_with(|| {
        run_blocks(1);
        let good = || Draft::new(Keyring::Alice.pair(), transfer(tao(1)));
        let spoilt = [
            Draft { genesis: sp_core::H256::repeat_byte(1), ..good() },
            Draft { spec_version: VERSION.spec_version + 1, ..good() },
            Draft { sender: Keyring::Bob.to_account_id(), ..good() },
        ];
        for draft in spoilt {
            assert_eq!(refused(draft.validate()), Some(InvalidTransaction::BadProof));
        }
    });
}

#[test]
fn nonces_wait_for_their_turn_and_are_used_once() {
    new_chain().execute_with(|| {
        run_blocks(1);
        frame_system::Pallet::<Runtime>::inc_account_nonce(Keyring::Alice.to_account_id());
        let good = || Draft::new(Keyring::Alice.pair(), transfer(tao(1)));
        assert_eq!(refused(Draft { nonce: 0, ..good() }.validate()), Some(InvalidTransaction::Stale));
        let later = Draft { nonce: 3, ..good() }.validate().expect("may come later");
        assert_eq!(later.requires, vec![(Keyring::Alice.to_account_id(), 2_u32).encode()]);
    });
}

#[test]
fn the_last_nonce_is_refused_before_it_takes_room() {
    new_chain().execute_with(|| {
        run_blocks(1);
        let alice = Keyring::Alice.to_account_id();
        frame_system::Account::<Runtime>::mutate(&alice, |account| account.nonce = u32::MAX - 1);
        let last = Draft::new(Keyring::Alice.pair(), transfer(tao(1)));
        assert_eq!(refused(Draft { nonce: u32::MAX, ..last }.validate()), Some(InvalidTransaction::Stale));
        let last = Draft::new(Keyring::Alice.pair(), transfer(tao(1)));
        assert!(Executive::apply_extrinsic(last.sign()).expect("is applied").is_ok());
        assert_eq!(System::account_nonce(&alice), u32::MAX);
    });
}

#[test]
fn a_signature_for_another_era_is_refused() {
    new_chain().execute_with(|| {
        run_blocks(20);
        let draft = |birth: u64| Draft {
            era: Era::mortal(4, birth),
            // What the signer took for the birth block's hash.
            birth: System::block_hash(18),
            ..Draft::new(Keyring::Alice.pair(), transfer(tao(1)))
        };
        assert_eq!(refused(draft(18).validate()), None);
        assert_eq!(refused(draft(19).validate()), Some(InvalidTransaction::BadProof));
        run_blocks(4);
        assert_eq!(refused(draft(18).validate()), Some(InvalidTransaction::BadProof), "its time is over");
    });
}

#[test]
fn who_cannot_pay_is_refused() {
    new_chain().execute_with(|| {
        run_blocks(1);
        let validity = Draft::new(hotkey("poor"), transfer(1)).validate();
        assert_eq!(refused(validity), Some(InvalidTransaction::Payment));
    });
}

#[test]
fn a_registered_hotkey_needs_no_funds_for_what_costs_nothing() {
    new_chain().execute_with(|| {
        open_subnet(&hotkey("miner"));
        let draft = Draft::new(hotkey("miner"), weights(vec![1]));
        assert_eq!(refused(draft.validate()), None);
        assert!(Executive::apply_extrinsic(draft.sign()).expect("is applied").is_ok());
        assert_eq!(System::account_nonce(&draft.sender), 1);
        assert_eq!(refused(draft.validate()), Some(InvalidTransaction::Stale));
    });
}

#[test]
fn what_would_fail_for_free_does_not_enter_the_pool() {
    new_chain().execute_with(|| {
        open_subnet(&hotkey("miner"));
        let serve = |port: u16, ip: u128, ip_type: u8| {
            market(Call::serve_axon {
                netuid: 1,
                version: 0,
                ip,
                port,
                ip_type,
                protocol: 4,
                placeholder1: 0,
                placeholder2: 0,
            })
        };
        let code = |signer: &str, call: RuntimeCall| refused(Draft::new(hotkey(signer), call).validate());
        assert_eq!(code("stranger", weights(vec![1])), Some(InvalidTransaction::Custom(10)));
        let of_lengths = |targets: usize, weights: usize| {
            let (dests, weights) = (vec![1; targets], vec![1; weights]);
            market(Call::set_weights { netuid: 1, dests, weights, version_key: 0 })
        };
        let elsewhere = Call::set_weights { netuid: 7, dests: vec![1], weights: vec![1], version_key: 0 };
        assert_eq!(code("miner", market(elsewhere)), Some(InvalidTransaction::Custom(10)), "no such subnet");
        assert_eq!(code("miner", of_lengths(0, 900_000)), Some(InvalidTransaction::Custom(18)));
        assert_eq!(code("miner", of_lengths(3, 3)), Some(InvalidTransaction::Custom(255)), "two neurons");
        assert_eq!(code("stranger", serve(1, 1, 4)), Some(InvalidTransaction::Custom(10)));
        assert_eq!(code("miner", serve(1, 1, 7)), Some(InvalidTransaction::Custom(11)));
        assert_eq!(code("miner", serve(0, 1, 4)), Some(InvalidTransaction::Custom(13)));
        assert_eq!(code("miner", serve(8091, 1, 4)), None);

        let of_miner = AccountId::new(hotkey("miner").public().0);
        let decrease =
            |hotkey: &AccountId, take| market(Call::decrease_take { hotkey: hotkey.clone(), take });
        let increase = |take| market(Call::increase_take { hotkey: of_miner.clone(), take });
        let by_bob = |call| refused(Draft::new(Keyring::Bob.pair(), call).validate());
        assert_eq!(by_bob(decrease(&account(99), 1)), Some(InvalidTransaction::Custom(4)));
        assert_eq!(code("miner", decrease(&of_miner, 1)), Some(InvalidTransaction::Custom(25)));
        assert_eq!(by_bob(increase(u16::MAX)), Some(InvalidTransaction::Custom(27)));
        assert_eq!(by_bob(increase(5)), None);
        let set = run_block(vec![(Keyring::Bob.to_account_id(), increase(5))]);
        assert_eq!(set, [Ok(())]);
        assert_eq!(by_bob(decrease(&of_miner, 5)), Some(InvalidTransaction::Custom(26)));
        assert_eq!(by_bob(increase(6)), Some(InvalidTransaction::Custom(6)), "too soon");
    });
}

#[test]
fn whose_call_failed_for_free_waits_before_the_next() {
    new_chain().execute_with(|| {
        open_subnet(&hotkey("miner"));
        let validity = |dests| refused(Draft::new(hotkey("miner"), weights(dests)).validate());
        let missing = Draft::new(hotkey("miner"), weights(vec![1, 99]));
        assert_eq!(refused(missing.validate()), None, "whether it succeeds is known when it is executed");
        assert!(Executive::apply_extrinsic(missing.sign()).expect("is applied").is_err());
        let next = u64::from(System::block_number()) + PAUSE_AFTER_FREE_FAILURE;
        assert_eq!(validity(vec![1]), Some(InvalidTransaction::Custom(6)));
        // Validity is that in the block to come, which remains begun here.
        while u64::from(System::block_number()) + 2 < next {
            run_blocks(1);
        }
        assert_eq!(validity(vec![1]), Some(InvalidTransaction::Custom(6)));
        assert_eq!(validity(vec![1]), None);
        let paid = Draft::new(Keyring::Alice.pair(), market(Call::start_call { netuid: 1 }));
        assert!(Executive::apply_extrinsic(paid.sign()).expect("is applied").is_err(), "it has started");
        assert_eq!(refused(Draft::new(Keyring::Alice.pair(), transfer(1)).validate()), None);
    });
}

#[test]
fn code_of_the_chain_cannot_be_replaced_by_a_transaction() {
    use frame_support::traits::Contains;
    let set_code = RuntimeCall::System(frame_system::Call::set_code { code: vec![0] });
    assert!(!myelin_runtime::CallFilter::contains(&set_code));
    let batch = |calls| RuntimeCall::Utility(pallet_utility::Call::batch { calls });
    assert!(myelin_runtime::CallFilter::contains(&batch(vec![transfer(1)])));
    assert!(!myelin_runtime::CallFilter::contains(&batch(vec![batch(vec![])])));
}
