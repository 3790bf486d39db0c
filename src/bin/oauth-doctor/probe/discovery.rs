//! The metadata of the authorization server.

use serde_json::Value;
use tower_oauth2_client_credentials::endpoint::ServerMetadata;

use super::{
    advice,
    setup::{Server, Setup},
    variant::Variant,
};
use crate::{
    exit::Exit,
    recipe::without_query,
    report::{Level, Report, Section},
};

/// `None`: there is no server to go on with.
pub(super) async fn probe(setup: &Setup<'_>, report: &mut Report) -> Option<Server> {
    let unknown = Server { metadata: None };
    if setup.args.issuer.is_none() {
        let section = report.section("discovery");
        section.text("document", "not read, since the token URL was given");
        return Some(unknown);
    }
    let method = setup.choose_method(&unknown);
    let variant = Variant { method, dpop: false, is_secret_encoded: false };
    let source = match setup.source(&unknown, variant) {
        Ok(source) => source,
        Err(mistake) => {
            report.fail(Exit::Usage, mistake);
            return None;
        }
    };
    let outcome = source.server_metadata().await;
    let document = setup.last_document();
    match outcome {
        Ok(metadata) => {
            let metadata = metadata?;
            let section = report.section("discovery");
            if let Some(exchange) = &document {
                section.text("document", exchange.url.as_str());
            }
            section.fact("issuer_matches", true, "yes");
            let answer = document.and_then(|exchange| exchange.answer?.document);
            describe(setup, &metadata, answer.as_ref().unwrap_or(&Value::Null), section);
            check(&metadata, report);
            Some(Server { metadata: Some(metadata) })
        }
        Err(error) => {
            let section = report.section("discovery");
            if error.code() == "issuer_mismatch" {
                if let Some(exchange) = &document {
                    section.text("document", exchange.url.as_str());
                }
                section.fact("issuer_matches", false, "no");
            } else {
                section.fact("document", Value::Null, "none that can be used");
            }
            let (exit, text) = advice::discovery(setup, &error);
            report.fail(exit, text);
            None
        }
    }
}

fn describe(setup: &Setup<'_>, metadata: &ServerMetadata, document: &Value, section: &mut Section) {
    let endpoint = metadata.token_endpoint().to_string();
    section.text("token_endpoint", setup.secrets.clean(without_query(&endpoint)));
    let alias = metadata.mtls_token_endpoint().map(ToString::to_string);
    if let Some(alias) = alias {
        section.text("mtls_token_endpoint", setup.secrets.clean(without_query(&alias)));
    }
    let mut list = |key, names: &[String]| {
        let names: Vec<_> = names.iter().map(|name| setup.secrets.clean(name)).collect();
        if !names.is_empty() {
            let text = names.join(", ");
            section.fact(key, names, text);
        }
    };
    list("grant_types", metadata.grant_types());
    list("assertion_algorithms", metadata.token_endpoint_auth_signing_algorithms());
    list("dpop_algorithms", metadata.dpop_signing_algorithms());
    let bound = document.get("tls_client_certificate_bound_access_tokens");
    let methods = metadata.token_endpoint_auth_methods();
    let mtls = methods.iter().any(|name| name.ends_with("tls_client_auth"));
    let mtls = mtls || metadata.mtls_token_endpoint().is_some() || bound == Some(&true.into());
    section.fact("mtls_offered", mtls, if mtls { "yes" } else { "not stated" });
    let dpop = !metadata.dpop_signing_algorithms().is_empty();
    section.fact("dpop_offered", dpop, if dpop { "yes" } else { "not stated" });
}

fn check(metadata: &ServerMetadata, report: &mut Report) {
    let types = metadata.grant_types();
    if !types.is_empty() && !types.iter().any(|name| name == "client_credentials") {
        report.find(
            Level::Warning,
            "the metadata does not list the grant client_credentials; if the token request is \
             refused, have the grant enabled for this client",
        );
    }
}
