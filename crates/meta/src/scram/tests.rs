use super::*;

const SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";
const CLIENT_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

fn verifier() -> Verifier {
    Verifier::new("pencil", &BASE64.decode(SALT).unwrap(), 4096)
}

#[test]
fn exchange_of_rfc_7677() {
    let mut client = Client::with_nonce("user", "pencil", CLIENT_NONCE.into());
    assert_eq!(client.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    let server = Server::with_nonce(&client.first(), verifier(), SERVER_NONCE).unwrap();
    assert_eq!(
        server.first(),
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    );
    let proof = client.respond(server.first()).unwrap();
    assert_eq!(
        proof,
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
         p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    );
    let done = server.finish(&proof).unwrap();
    assert_eq!(done, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    client.verify(&done).unwrap();
    assert_eq!(server.user(), "user");
}

#[test]
fn wrong_password_is_refused_by_the_server() {
    let mut client = Client::new("us,er=", "eraser", b"12345678");
    let server = Server::new(&client.first(), verifier(), b"abcdefgh").unwrap();
    assert_eq!(server.user(), "us,er=");
    let proof = client.respond(server.first()).unwrap();
    assert_eq!(server.finish(&proof).unwrap_err().state, SqlState::INVALID_PASSWORD);
}

#[test]
fn impostor_is_refused_by_the_client() {
    let mut client = Client::new("user", "pencil", b"12345678");
    let nobody = Verifier::nobody(b"secret", "user");
    let server = Server::new(&client.first(), nobody.clone(), b"abcdefgh").unwrap();
    let proof = client.respond(server.first()).unwrap();
    assert!(server.finish(&proof).is_err());
    assert!(client.verify(&format!("v={}", BASE64.encode([7; 32]))).is_err());
    assert_eq!(nobody, Verifier::nobody(b"secret", "user"));
}

#[test]
fn replayed_and_broken_messages_are_refused() {
    let mut client = Client::new("user", "pencil", b"12345678");
    let server = Server::new(&client.first(), verifier(), b"abcdefgh").unwrap();
    let proof = client.respond(server.first()).unwrap();
    let later = Server::new(&client.first(), verifier(), b"ijklmnop").unwrap();
    assert!(later.finish(&proof).is_err());
    for broken in ["", "n", "n,,", "n,,n=user", "p=tls-unique,,n=user,r=x"] {
        assert!(Server::new(broken, verifier(), b"x").is_err(), "{broken}");
    }
    for broken in ["", "r=x", "r=MTIzNDU2Nzg=x,s=!,i=1", "r=MTIzNDU2Nzg=x,s=AA==,i=0"] {
        assert!(client.respond(broken).is_err(), "{broken}");
    }
}

#[test]
fn verifier_survives_its_text_form_and_checks_passwords() {
    let v = verifier();
    let text = String::from(v.clone());
    assert!(text.starts_with("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"));
    assert_eq!(Verifier::try_from(text), Ok(v.clone()));
    assert!(Verifier::try_from("md5abc".to_string()).is_err());
    assert!(v.accepts("pencil") && !v.accepts("pen"));
}
