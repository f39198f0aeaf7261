//! `System.Account` as the store of balances.
//!
//! It does what FRAME's own does, but that nonces do not begin again after the last. It is here because a transfer with its fee
//! comes back to the same three accounts many times, and FRAME hashes the names of pallet and item and the account each time:
//! that was a third of executing it. Here the keys of the last accounts are remembered, and a change reads twice instead of
//! four times.

use std::cell::RefCell;

use frame_support::{
    storage::{unhashed, StoragePrefixedMap},
    traits::StoredMap,
};
use pallet_balances::AccountData;
use sp_crypto_hashing::blake2_128;
use sp_runtime::{
    transaction_validity::{InvalidTransaction, TransactionValidityError},
    DispatchError,
};

use crate::{AccountId, Balance, Nonce, Runtime};

type AccountInfo = frame_system::AccountInfo<Nonce, AccountData<Balance>>;

/// Hashes of the names, hash of the account, the account.
type Key = [u8; 32 + 16 + 32];

/// A transaction has a sender, a receiver and the author who is paid for it.
const KEYS: usize = 4;

/// Keys that were asked for last. They follow from the accounts alone, so a forgotten one is only hashed again.
struct Keys {
    prefix: [u8; 32],
    known: [Option<(AccountId, Key)>; KEYS],
    next: usize,
}

thread_local! {
    static LAST: RefCell<Keys> = RefCell::new(Keys {
        prefix: frame_system::Account::<Runtime>::final_prefix(),
        known: [const { None }; KEYS],
        next: 0,
    });
}

impl Keys {
    fn of(&mut self, who: &AccountId) -> Key {
        if let Some((_, key)) = self.known.iter().flatten().find(|(account, _)| account == who) {
            return *key;
        }
        let mut key = [0; 80];
        key[..32].copy_from_slice(&self.prefix);
        key[32..48].copy_from_slice(&blake2_128(who.as_ref()));
        key[48..].copy_from_slice(who.as_ref());
        self.known[self.next] = Some((who.clone(), key));
        self.next = (self.next + 1) % KEYS;
        key
    }
}

fn key_of(who: &AccountId) -> Key {
    LAST.with_borrow_mut(|keys| keys.of(who))
}

fn read(key: &Key) -> AccountInfo {
    unhashed::get_or_default(key)
}

/// The store of balances.
pub struct Accounts;

impl Accounts {
    /// All that the chain knows of an account.
    pub fn info(who: &AccountId) -> AccountInfo {
        read(&key_of(who))
    }

    /// Counts a transaction with this nonce.
    ///
    /// # Errors
    /// [`InvalidTransaction::Future`] when one before it is missing.
    pub fn count_transaction(who: &AccountId, nonce: Nonce) -> Result<(), TransactionValidityError> {
        let key = key_of(who);
        let account = read(&key);
        if nonce > account.nonce {
            return Err(InvalidTransaction::Future.into());
        }
        let next = nonce.checked_add(1).ok_or(InvalidTransaction::Stale)?;
        unhashed::put(&key, &AccountInfo { nonce: next, ..account });
        Ok(())
    }
}

impl StoredMap<AccountId, AccountData<Balance>> for Accounts {
    fn get(who: &AccountId) -> AccountData<Balance> {
        Self::info(who).data
    }

    fn try_mutate_exists<R, E: From<DispatchError>>(
        who: &AccountId,
        change: impl FnOnce(&mut Option<AccountData<Balance>>) -> Result<R, E>,
    ) -> Result<R, E> {
        let key = key_of(who);
        let data = read(&key).data;
        let mut data = (data != AccountData::default()).then_some(data);
        let result = change(&mut data)?;
        // The change may have counted who needs the account.
        let account = read(&key);
        if account.providers > 0 || account.sufficients > 0 {
            unhashed::put(&key, &AccountInfo { data: data.unwrap_or_default(), ..account });
        } else {
            unhashed::kill(&key);
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use sp_io::TestExternalities;

    use super::*;
    use crate::System;

    /// What happens to an account.
    #[derive(Clone, Debug)]
    enum Step {
        Set(Option<Balance>),
        Fail,
        IncProviders,
        DecProviders,
        IncSufficients,
        DecSufficients,
        IncConsumers,
        DecConsumers,
        Count(Nonce),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => proptest::option::of(0_u64..3).prop_map(Step::Set),
            1 => Just(Step::Fail),
            3 => Just(Step::IncProviders),
            2 => Just(Step::DecProviders),
            1 => Just(Step::IncSufficients),
            1 => Just(Step::DecSufficients),
            1 => Just(Step::IncConsumers),
            1 => Just(Step::DecConsumers),
            1 => (0_u32..3).prop_map(Step::Count),
        ]
    }

    /// Does all steps within one change of the account, as balances do when they count references meanwhile.
    fn perform<S: StoredMap<AccountId, AccountData<Balance>>>(
        who: &AccountId,
        steps: &[Step],
        count: impl Fn(&AccountId, Nonce) -> Result<(), TransactionValidityError>,
    ) -> String {
        let mut counted = Vec::new();
        let outcome: Result<_, DispatchError> = S::try_mutate_exists(who, |data| {
            for step in steps {
                match step {
                    Step::Set(free) => *data = free.map(|free| AccountData { free, ..Default::default() }),
                    Step::Fail => return Err(DispatchError::CannotLookup),
                    Step::IncProviders => counted.push(format!("{:?}", System::inc_providers(who))),
                    // FRAME logs an error for each count below nothing.
                    Step::DecProviders if System::providers(who) == 0 => {}
                    Step::DecSufficients if System::sufficients(who) == 0 => {}
                    Step::DecConsumers if System::consumers(who) == 0 => {}
                    Step::DecProviders => counted.push(format!("{:?}", System::dec_providers(who)?)),
                    Step::IncSufficients => counted.push(format!("{:?}", System::inc_sufficients(who))),
                    Step::DecSufficients => counted.push(format!("{:?}", System::dec_sufficients(who))),
                    Step::IncConsumers => System::inc_consumers(who)?,
                    Step::DecConsumers => System::dec_consumers(who),
                    Step::Count(nonce) => counted.push(format!("{:?}", count(who, *nonce))),
                }
            }
            Ok(data.clone())
        });
        let stored = sp_io::storage::get(&frame_system::Account::<Runtime>::hashed_key_for(who));
        format!("{outcome:?} {counted:?} {:?} {stored:?}", S::get(who))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn does_what_the_store_of_frame_does(changes in vec((0_u8..6, vec(step(), 0..5)), 1..60)) {
            let (mut own, mut frame) = (TestExternalities::default(), TestExternalities::default());
            for (account, steps) in &changes {
                let who = AccountId::from([*account; 32]);
                let found = own.execute_with(|| perform::<Accounts>(&who, steps, Accounts::count_transaction));
                let wanted = frame.execute_with(|| {
                    perform::<System>(&who, steps, frame_system::CheckNonce::<Runtime>::prepare_nonce_for_account)
                });
                prop_assert_eq!(found, wanted, "{:?}", steps);
            }
        }
    }
}
