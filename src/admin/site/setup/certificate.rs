//! The certificate: what is in force, and another one with its key as PEM.
//!
//! In: two files or texts. Out: both under `data_dir/tls`, readable by the box's own user only,
//! named in the configuration, in force. They are taken only when they belong together and are
//! in time. Each upload has names of its own, so that a refused one leaves what was there.

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use maud::{Markup, html};
use warp::http::StatusCode;

use super::steps::{page, said, set};
use crate::admin::site::frame;
use crate::admin::site::{Call, Refusal, pieces};
use crate::config::{Config, Tls, file};
use crate::net::tls::{Examined, Lifetime, ServerTls};
use crate::web::answer::Answer;

const HERE: &str = "/setup/certificate";
/// Both files together.
pub(in crate::admin::site) const OCTETS: usize = 1 << 20;
const DAY_S: i64 = 86_400;

pub(super) async fn show(call: Call) -> Result<Answer, Refusal> {
    form(&call, StatusCode::OK, None).await
}

async fn form(call: &Call, status: StatusCode, failed: Option<&str>) -> Result<Answer, Refusal> {
    let config = call.site.steering.config();
    let examined = present(call).await?;
    let content = html! {
        (said(failed))
        section.card {
            h2 { "In force" }
            @match &examined {
                Ok(examined) => (described(&config, examined)),
                Err(error) => { div.notice.bad { (error) } }
            }
        }
        section.card {
            h2 { "Use another one" }
            p.soft { "Both as PEM. The chain begins with the certificate for "
                code { (config.system.hostname) } ", then come those that vouch for it." }
            form method="post" action=(HERE) enctype="multipart/form-data" {
                (frame::mark(call))
                (upload("chain", "Certificate with its chain"))
                (upload("key", "Private key, without a password"))
                button type="submit" { "Check it and put it in force" }
            }
        }
        @if config.tls.certificate.is_some() {
            form method="post" action="/setup/certificate/own" {
                (frame::mark(call))
                button.danger type="submit" { "Go back to the self-signed one" }
            }
        }
    };
    Ok(page(call, status, HERE, &content))
}

/// What is in force, or why that cannot be told.
pub(in crate::admin::site) async fn present(
    call: &Call,
) -> Result<Result<Examined, String>, Refusal> {
    let own = call.site.steering.config();
    let examine = move || {
        let system = &own.system;
        let examined = ServerTls::examine(&own.tls, &system.hostname, &system.data_dir);
        Ok(examined.map_err(|error| error.to_string()))
    };
    call.blocking(examine).await
}

fn upload(name: &str, words: &str) -> Markup {
    html! {
        div.field {
            label for=(name) { (words) }
            input id=(name) name=(name) type="file" accept=".pem,.crt,.cer,.key";
        }
        details {
            summary { "or as text" }
            div.field {
                label for=(format!("{name}-text")) { (words) " as text" }
                textarea id=(format!("{name}-text")) name=(format!("{name}-text")) rows="6"
                    spellcheck="false" autocomplete="off" {}
            }
        }
    }
}

/// Whole days until it ends; below nought when it has.
pub(in crate::admin::site) fn days_left(lifetime: &Lifetime) -> i64 {
    (lifetime.ends_s - jiff::Timestamp::now().as_second()).div_euclid(DAY_S)
}

fn described(config: &Config, examined: &Examined) -> Markup {
    html! {
        dl.facts {
            dt { "Where from" }
            dd {
                @match &config.tls.certificate {
                    Some(path) => { code { (path.display()) } }
                    None => { "self-signed by the box at its start. It keeps mail private on its way; "
                        "browsers warn of it, and servers that insist on known certificates refuse it." }
                }
            }
            dt { "For " (config.system.hostname) }
            dd { @if examined.is_for_host { span.badge.good { "yes" } } @else { span.badge.warn { "no: for another name" } } }
            @if let Some(lifetime) = examined.lifetime {
                dt { "Until" }
                dd {
                    (pieces::time(u64::try_from(lifetime.ends_s).unwrap_or(0).saturating_mul(1000)))
                    " "
                    @match days_left(&lifetime) {
                        days if days < 0 => { span.badge.bad { (-days) " days over" } }
                        days if days < 21 => { span.badge.warn { (days) " days left" } }
                        days => { span.badge.good { (days) " days left" } }
                    }
                }
            }
            dt { "Certificates in the file" }
            dd { (examined.chain) }
        }
    }
}

/// What a field brought: its file, or its text.
fn brought(call: &Call, name: &str) -> Vec<u8> {
    let of_file = call.files.iter().find(|file| file.name == name && !file.octets.is_empty());
    match of_file {
        Some(file) => file.octets.to_vec(),
        None => {
            call.form.first(&format!("{name}-text")).unwrap_or_default().trim().as_bytes().to_vec()
        }
    }
}

pub(super) async fn save(call: Call) -> Result<Answer, Refusal> {
    let (chain, key) = (brought(&call, "chain"), brought(&call, "key"));
    match put(&call, chain, key).await? {
        Ok(()) => Ok(call.done(HERE, "The certificate is in force.")),
        Err(why) => form(&call, StatusCode::UNPROCESSABLE_ENTITY, Some(&why)).await,
    }
}

/// Puts a certificate with its key in force, both as PEM; or says why not, and nothing changes.
pub(in crate::admin::site) async fn put(
    call: &Call,
    chain: Vec<u8>,
    key: Vec<u8>,
) -> Result<Result<(), String>, Refusal> {
    if chain.is_empty() || key.is_empty() {
        return Ok(Err("Both are needed: the certificate and its key.".into()));
    }
    let config = call.site.steering.config();
    let folder = config.system.data_dir.join("tls");
    let now_ms = call.now_ms();
    let paths = Tls {
        certificate: Some(folder.join(format!("site-{now_ms}.pem"))),
        key: Some(folder.join(format!("site-{now_ms}.key"))),
    };
    let (own, tls) = (config.clone(), paths.clone());
    let written = call
        .blocking(move || {
            let broken = |error: std::io::Error| Refusal::Broken(error.to_string());
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&folder)
                .map_err(broken)?;
            for (path, octets) in [(&tls.certificate, &chain), (&tls.key, &key)] {
                if let Some(path) = path {
                    file::replace(path, octets, file::PRIVATE).map_err(broken)?;
                }
            }
            let system = &own.system;
            Ok(ServerTls::examine(&tls, &system.hostname, &system.data_dir))
        })
        .await?;
    let refused = match &written {
        Ok(examined) => out_of_time(examined),
        Err(error) => Some(error.to_string()),
    };
    if let Some(why) = refused {
        forget(call, &paths).await;
        return Ok(Err(why));
    }
    let text = |path: &Option<PathBuf>| {
        path.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
    };
    let (certificate, key) = (text(&paths.certificate), text(&paths.key));
    let settings = [("tls", "certificate", &*certificate), ("tls", "key", &*key)];
    let put = set(call, &settings, "set-up: certificate").await?;
    match &put {
        Ok(_) => tidy(call, vec![paths, config.tls.clone()]).await,
        Err(_) => forget(call, &paths).await,
    }
    Ok(put.map(drop))
}

/// Why it is not to be used now.
fn out_of_time(examined: &Examined) -> Option<String> {
    let Some(lifetime) = examined.lifetime else {
        return Some("the certificate does not say how long it holds".into());
    };
    let now_s = jiff::Timestamp::now().as_second();
    let shown = |at_s| jiff::Timestamp::from_second(at_s).unwrap_or_default();
    if lifetime.ends_s <= now_s {
        return Some(format!("the certificate ended at {}", shown(lifetime.ends_s)));
    }
    let begins_s = lifetime.begins_s;
    (begins_s > now_s).then(|| format!("the certificate holds only from {} on", shown(begins_s)))
}

/// Certificates and keys that were uploaded before are removed. Those in force stay, and those
/// that were in force until now: the change can be taken back.
async fn tidy(call: &Call, kept: Vec<Tls>) {
    let folder = call.site.desk.data_dir.join("tls");
    let work = move || {
        let broken = |error: std::io::Error| Refusal::Broken(error.to_string());
        for file in std::fs::read_dir(&folder).map_err(broken)? {
            let path = file.map_err(broken)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let is_upload =
                name.starts_with("site-") && (name.ends_with(".pem") || name.ends_with(".key"));
            let is_used = kept
                .iter()
                .flat_map(|tls| [&tls.certificate, &tls.key])
                .flatten()
                .any(|used| used.file_name() == path.file_name());
            if is_upload && !is_used {
                std::fs::remove_file(&path).map_err(broken)?;
            }
        }
        Ok(())
    };
    if let Err(error) = call.blocking(work).await {
        tracing::warn!(%error, "an old certificate is left in the data directory");
    }
}

async fn forget(call: &Call, paths: &Tls) {
    let paths = paths.clone();
    let removed = call
        .blocking(move || {
            for path in [paths.certificate, paths.key].into_iter().flatten() {
                std::fs::remove_file(path).map_err(|error| Refusal::Broken(error.to_string()))?;
            }
            Ok(())
        })
        .await;
    if let Err(error) = removed {
        tracing::warn!(%error, "a refused certificate is left in the data directory");
    }
}

pub(super) async fn go_back(call: Call) -> Result<Answer, Refusal> {
    match put_own(&call).await? {
        Ok(()) => Ok(call.done(HERE, "The self-signed certificate is in force.")),
        Err(why) => form(&call, StatusCode::UNPROCESSABLE_ENTITY, Some(&why)).await,
    }
}

/// Puts the box's self-signed certificate in force again; or says why not.
pub(in crate::admin::site) async fn put_own(call: &Call) -> Result<Result<(), String>, Refusal> {
    let before = call.site.steering.config().tls.clone();
    let settings = [("tls", "certificate", ""), ("tls", "key", "")];
    let put = set(call, &settings, "set-up: self-signed certificate").await?;
    if put.is_ok() {
        tidy(call, vec![before]).await;
    }
    Ok(put.map(drop))
}
