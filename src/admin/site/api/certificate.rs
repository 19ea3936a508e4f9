//! The certificate of the site and of mail over TLS: what is in force, another one, back to the
//! box's own.
//!
//! In: chain and key as PEM, in the body alone. Out: never the key. Both are taken only when they
//! belong together and are in time; otherwise what was in force stays.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{about, operation};
use crate::admin::api::time_of;
use crate::admin::site::setup::certificate;
use crate::admin::site::{Call, Refusal, Route};

pub(in crate::admin::site) const ROUTES: &[Route] = &[
    operation!(
        GET "/api/certificate", Right(SeeSettings), show => CertificateRow,
        about("certificate", "The certificate in force", &[])
    ),
    operation!(
        PUT "/api/certificate", Right(Settings), put(CertificateOrder) => CertificateRow,
        about("putCertificate", "Checks another certificate with its key, and puts both in force", &[])
    ),
    operation!(
        DELETE "/api/certificate", Right(Settings), put_own => CertificateRow,
        about("dropCertificate", "Goes back to the self-signed certificate of the box", &[])
    ),
];

/// A certificate.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct CertificateRow {
    /// The file; none for the one that the box has signed itself.
    file: Option<String>,
    /// The name that it is to be for.
    hostname: String,
    /// It is for that name.
    is_for_host: bool,
    /// RFC 3339; absent where it cannot be read.
    begins: Option<String>,
    /// RFC 3339; absent where it cannot be read.
    ends: Option<String>,
    /// Whole days that are left.
    days_left: Option<i64>,
    /// Certificates in the file.
    chain: u64,
    /// Why nothing can be told; absent when all is well.
    trouble: Option<String>,
}

/// Another certificate.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CertificateOrder {
    /// PEM: the certificate, then those that vouch for it.
    chain: String,
    /// PEM: the private key, without a password.
    key: String,
}

async fn show(call: Call) -> Result<CertificateRow, Refusal> {
    let config = call.site.steering.config();
    let file = config.tls.certificate.as_ref().map(|path| path.display().to_string());
    let hostname = config.system.hostname.to_string();
    let row = CertificateRow {
        file,
        hostname,
        is_for_host: false,
        begins: None,
        ends: None,
        days_left: None,
        chain: 0,
        trouble: None,
    };
    let examined = match certificate::present(&call).await? {
        Ok(examined) => examined,
        Err(why) => return Ok(CertificateRow { trouble: Some(why), ..row }),
    };
    let time = |at_s: i64| time_of(u64::try_from(at_s).unwrap_or_default().saturating_mul(1_000));
    let lifetime = examined.lifetime;
    Ok(CertificateRow {
        is_for_host: examined.is_for_host,
        begins: lifetime.map(|lifetime| time(lifetime.begins_s)),
        ends: lifetime.map(|lifetime| time(lifetime.ends_s)),
        days_left: lifetime.map(|lifetime| certificate::days_left(&lifetime)),
        chain: u64::try_from(examined.chain).unwrap_or(u64::MAX),
        ..row
    })
}

async fn put(call: Call, order: CertificateOrder) -> Result<CertificateRow, Refusal> {
    if order.chain.len().saturating_add(order.key.len()) > certificate::OCTETS {
        return Err(Refusal::Bad(format!(
            "chain, key: {} octets together at most",
            certificate::OCTETS
        )));
    }
    let pem = |text: String| text.trim().as_bytes().to_vec();
    let put = certificate::put(&call, pem(order.chain), pem(order.key)).await?;
    put.map_err(Refusal::Bad)?;
    show(call).await
}

async fn put_own(call: Call) -> Result<CertificateRow, Refusal> {
    certificate::put_own(&call).await?.map_err(Refusal::Conflict)?;
    show(call).await
}
