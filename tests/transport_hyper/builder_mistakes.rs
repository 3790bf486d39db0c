//! Mistakes in the settings of the transport: each names the setting, the problem and the remedy.

use std::time::Duration;

use tower_oauth2_client_credentials::{
    Error, ErrorKind,
    transport::{HyperTransport, HyperTransportBuilder},
};

const NOT_A_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nc2VjcmV0";

fn mistake(builder: HyperTransportBuilder) -> Error {
    let error = builder.proxy_from_env(false).build().unwrap_err();
    assert_eq!((error.kind(), error.is_permanent()), (ErrorKind::Config, true), "{error}");
    error
}

#[test]
fn root_certificates_name_their_setting() {
    let not_pem = std::env::temp_dir().join(format!("not-pem-{}", std::process::id()));
    std::fs::write(&not_pem, "not PEM").unwrap();
    let builder = HyperTransport::builder;
    for (builder, expected) in [
        (
            builder().extra_root_certificates_pem(NOT_A_CERTIFICATE),
            "extra_root_certificates_pem: it is damaged PEM; pass ".to_owned(),
        ),
        (
            builder().only_root_certificates_pem(""),
            "only_root_certificates_pem: it has no certificate in PEM; pass ".to_owned(),
        ),
        (
            builder().extra_root_certificates_file("/no/such/file"),
            "extra_root_certificates_file: /no/such/file: ".to_owned(),
        ),
        (
            builder().extra_root_certificates_file(&not_pem),
            format!(
                "extra_root_certificates_file: {}: it has no certificate in PEM; give ",
                not_pem.display()
            ),
        ),
    ] {
        let text = mistake(builder).to_string();
        assert!(text.contains(&expected), "{text}");
    }
    std::fs::remove_file(&not_pem).unwrap();
}

#[test]
fn a_later_timeout_replaces_a_mistake() {
    let zero = || HyperTransport::builder().connect_timeout(Duration::ZERO);
    assert!(mistake(zero()).to_string().contains("connect_timeout: it is zero"));
    zero().connect_timeout(Duration::from_secs(5)).proxy_from_env(false).build().unwrap();
    // One of several is reported.
    let several = zero().extra_root_certificates_pem("");
    assert!(mistake(several).to_string().contains("extra_root_certificates_pem: "));
}
