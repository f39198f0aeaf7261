//! `payment_*`: what a transaction would cost.

use codec::Encode;
use myelin_chain::{block::decode_extrinsic, Balance};
use pallet_transaction_payment::{FeeDetails, RuntimeDispatchInfo};
use serde_json::{json, Value};

use super::{author::EXTRINSIC, state::decode, Method, Run};
use crate::{
    error::{client, internal, RpcResult},
    parameters::{Arguments, Bytes, Names},
    work::Cost,
    Context,
};

const PARAMETERS: &[Names] = &[EXTRINSIC, &["at", "hash"]];
const QUERY_INFO: &str = "TransactionPaymentApi_query_info";
const QUERY_FEE_DETAILS: &str = "TransactionPaymentApi_query_fee_details";

pub(crate) const METHODS: &[Method] = &[
    Method {
        name: "payment_queryInfo",
        aliases: &[],
        parameters: PARAMETERS,
        run: Run::Blocking(Cost::Call, info),
    },
    Method {
        name: "payment_queryFeeDetails",
        aliases: &[],
        parameters: PARAMETERS,
        run: Run::Blocking(Cost::Call, fee_details),
    },
];

fn info(context: &Context, arguments: Arguments) -> RpcResult {
    let answer = ask(context, arguments, QUERY_INFO)?;
    let info: RuntimeDispatchInfo<Balance> = decode(QUERY_INFO, &answer)?;
    serde_json::to_value(info).map_err(internal)
}

fn fee_details(context: &Context, arguments: Arguments) -> RpcResult {
    let answer = ask(context, arguments, QUERY_FEE_DETAILS)?;
    let details: FeeDetails<Balance> = decode(QUERY_FEE_DETAILS, &answer)?;
    let hexadecimal = |amount: Balance| format!("{amount:#x}");
    let fee = details.inclusion_fee.map_or(Value::Null, |fee| {
        json!({
            "baseFee": hexadecimal(fee.base_fee),
            "lenFee": hexadecimal(fee.len_fee),
            "adjustedWeightFee": hexadecimal(fee.adjusted_weight_fee),
        })
    });
    Ok(json!({ "inclusionFee": fee }))
}

/// Both functions take an extrinsic and its length.
fn ask(context: &Context, mut arguments: Arguments, method: &str) -> RpcResult<Vec<u8>> {
    let Bytes(mut bytes) = arguments.required(0)?;
    // Here everything belongs to the extrinsic.
    decode_extrinsic(&bytes).map_err(|text| client(format_args!("Execution failed: {text}")))?;
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    length.encode_to(&mut bytes);
    let state = context.state(arguments.optional(1)?)?;
    context.call(&state, method, &bytes)
}
