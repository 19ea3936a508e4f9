//! Accounts as the operator sees them: one order both makes and changes.

use super::api::{AccountOrder, AccountRow};
use crate::store::{Account, Accounts, AllowedAddress, StoreError};

/// What is wrong with an order for an account.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// An address is none.
    #[error("{0}")]
    Address(String),
    /// The store says no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes the account, or gives it this password and these addresses; an empty password leaves that
/// of a known account as it is. Blocks.
pub fn put(accounts: &Accounts, order: &AccountOrder) -> Result<AccountRow, AccountError> {
    let addresses: Vec<AllowedAddress> = order
        .addresses
        .iter()
        .map(|text| text.parse::<AllowedAddress>())
        .collect::<Result<_, _>>()
        .map_err(|error| AccountError::Address(error.to_string()))?;
    let account = match accounts.find(&order.name)? {
        None => accounts.add(&order.name, &order.password, addresses)?,
        Some(mut known) => {
            if !order.password.is_empty() {
                accounts.set_password(&known.name, &order.password)?;
            }
            accounts.set_addresses(&known.name, &addresses)?;
            known.addresses = addresses;
            known
        }
    };
    Ok(row(&account))
}

/// Every account. Blocks.
pub fn list(accounts: &Accounts) -> Result<Vec<AccountRow>, StoreError> {
    Ok(accounts.list()?.iter().map(row).collect())
}

fn row(account: &Account) -> AccountRow {
    let addresses = account.addresses.iter().map(ToString::to_string).collect();
    AccountRow { name: account.name.clone(), addresses }
}
