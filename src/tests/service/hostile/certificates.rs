//! A server that talks only to clients whose certificate an authority has signed.

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;

use super::foreign::{Foreign, hello};
use super::*;

type Shown = (CertificateDer<'static>, PrivateKeyDer<'static>);

/// An authority, in PEM, and a client's certificate that it has signed.
fn authority() -> (String, Shown) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let mut client = CertificateParams::new(vec!["a client".to_owned()]).unwrap();
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let own = KeyPair::generate().unwrap();
    let certificate = client.signed_by(&own, &issuer).unwrap();
    let key = PrivateKeyDer::try_from(own.serialize_der()).unwrap();
    (authority.pem(), (certificate.der().clone(), key))
}

/// A server that trusts the authority.
fn service(authority: &str) -> Service {
    Service::with_identity(default_settings(1), |identity| {
        identity.with_client_authorities(authority.as_bytes()).unwrap()
    })
}

fn client(service: &Service, shown: Option<Shown>) -> Foreign {
    Foreign::showing(shown, &service.certificate, b"stentor/1", |_| {})
}

#[test]
fn a_client_with_a_signed_certificate_and_a_token_is_let_in() {
    let (authority, shown) = authority();
    let service = service(&authority);
    let client = client(&service, Some(shown));
    let connection = client.connect(service.addresses[0]).unwrap();
    let (_send, mut replies) = client.open(&connection, &hello(&service, 7));
    assert!(matches!(client.reply(&mut replies), Reply::Ready { .. }));
}

#[test]
fn a_certificate_does_not_stand_in_for_a_token() {
    let (authority, shown) = authority();
    let service = service(&authority);
    let client = client(&service, Some(shown));
    let connection = client.connect(service.addresses[0]).unwrap();
    let token = service.key.token(device(8));
    let other = encoded(&Request::Hello { version: 1, device: device(7), token });
    let (_send, _replies) = client.open(&connection, &other);
    assert_eq!(client.close_code(&connection), u64::from(Refusal::BadToken.code()));
}

#[test]
fn a_client_without_a_certificate_or_with_anothers_gets_no_session() {
    let (authority_pem, _) = authority();
    let service = service(&authority_pem);
    let (_, of_another) = authority();
    // RFC 8446 §6.2: the alerts certificate_required, and those for one that is not trusted.
    for (shown, alerts) in [(None, &[116_u64][..]), (Some(of_another), &[42, 46, 48, 51])] {
        let client = client(&service, shown);
        // The client's side of the handshake may be over before its certificate is looked at.
        let error = match client.connect(service.addresses[0]) {
            Ok(connection) => client.within(connection.closed()),
            Err(error) => error,
        };
        let quinn::ConnectionError::ConnectionClosed(close) = error else { panic!("{error}") };
        let alert = u64::from(close.error_code) - 0x100;
        assert!(alerts.contains(&alert), "alert {alert}");
    }
}
