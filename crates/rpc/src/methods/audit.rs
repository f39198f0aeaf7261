//! `myelin_*`: what anybody may check about a chain.

use myelin_runtime::views::audit::Audit;
use serde_json::{json, Value};

use super::{state::decode, Method, Run};
use crate::{error::RpcResult, parameters::Arguments, work::Cost, Context};

const AUDIT: &str = "AuditApi_audit";

pub(crate) const METHODS: &[Method] = &[Method {
    name: "myelin_conservation",
    aliases: &[],
    parameters: &[&["hash", "at"]],
    run: Run::Blocking(Cost::Call, conservation),
}];

/// Adds up where all TAO and alpha is. Amounts are decimal texts, because they exceed what a double can hold.
pub(crate) fn conservation(context: &Context, mut arguments: Arguments) -> RpcResult {
    let state = context.state(arguments.optional(0)?)?;
    let audit: Audit = decode(AUDIT, &context.call(&state, AUDIT, &[])?)?;
    Ok(json!({
        "block": state.hash(),
        "number": state.number(),
        "holds": audit.holds(),
        "accounts": audit.accounts,
        "accountsRao": audit.accounts_rao.to_string(),
        "ledgerIssuanceRao": audit.market.ledger_issuance_rao.to_string(),
        "marketIssuanceRao": audit.market.market_issuance_rao.to_string(),
        "totalStakeRao": audit.market.total_stake_rao.to_string(),
        "subnets": subnets(&audit),
    }))
}

fn subnets(audit: &Audit) -> Vec<Value> {
    let subnets = audit.market.subnets.iter();
    let row = |subnet: &pallet_subtensor::SubnetAudit| {
        json!({
            "netuid": subnet.netuid,
            "holds": subnet.holds(),
            "poolAccountRao": subnet.pool_account_rao.to_string(),
            "poolDepositRao": subnet.pool_deposit_rao.to_string(),
            "taoReserveRao": subnet.tao_reserve_rao.to_string(),
            "alphaOut": subnet.alpha_out.to_string(),
            "staked": subnet.staked.to_string(),
            "pending": subnet.pending.to_string(),
            "rootClaims": subnet.root_claims.to_string(),
            "protocol": subnet.protocol.to_string(),
            "unassigned": subnet.unassigned.to_string(),
        })
    };
    subnets.map(row).collect()
}
