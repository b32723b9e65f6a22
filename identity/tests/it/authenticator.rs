//! Requests and web sessions, by what was shown.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use identity::{
    Authenticator, Authority, CertificateHolder, CertificateRefusal, Certificates, IssuedCertificate, Links, Lock,
    Locks, LoginRefusal, RequestRefusal, TokenRefusal, Tokens, Users,
};
use jiff::Timestamp;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tempfile::TempDir;

const HOUR: Duration = Duration::from_secs(3600);

struct State {
    folder: TempDir,
    tokens: Arc<Tokens>,
    users: Arc<Users>,
    links: Arc<Links>,
    locks: Arc<Locks>,
    certificates: Arc<Certificates>,
    authenticator: Authenticator,
}

impl State {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let authority = Arc::new(Authority::load_or_create(&file("ca")).unwrap());
        let tokens = Arc::new(Tokens::open(&file("tokens.json")).unwrap());
        let users = Arc::new(Users::open(&file("users.json")).unwrap());
        let links = Arc::new(Links::open(&file("links.json")).unwrap());
        let locks = Arc::new(Locks::open(&file("locks.json")).unwrap());
        let certificates = Arc::new(Certificates::open(&file("certificates.json")).unwrap());
        let authenticator = Authenticator::new(authority, tokens.clone(), users.clone(), links.clone());
        let authenticator = authenticator.with_revocations(locks.clone(), certificates.clone());
        Self { folder, tokens, users, links, locks, certificates, authenticator }
    }

    fn certificate(&self, name: &str, now: SystemTime) -> Result<CertificateHolder, CertificateRefusal> {
        let (pem, _) = self.authenticator.authority().issue_client(name, &[], HOUR).unwrap();
        self.authenticator.certificate(&[CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()], now)
    }

    /// A certificate that this authority's key signed, and this program would not have made.
    fn certificate_by_hand(&self, names: &[(DnType, &str)]) -> CertificateDer<'static> {
        let file = |name: &str| std::fs::read_to_string(self.folder.path().join("ca").join(name)).unwrap();
        let issuer = Issuer::from_ca_cert_pem(&file("ca.pem"), KeyPair::from_pem(&file("ca.key")).unwrap()).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, name) in names {
            params.distinguished_name.push(kind.clone(), *name);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap().der().clone()
    }

    async fn log_in_with_link(&self, user: &str) -> String {
        let path = self.links.create(user, HOUR).unwrap();
        let secret = path.rsplit('/').next().unwrap();
        let session = self.authenticator.log_in_with_link(secret).await.unwrap();
        self.authenticator.start(session, Instant::now())
    }

    async fn user_of(&self, token: &str) -> Option<String> {
        self.authenticator.web_session(token, true, Instant::now()).await.map(|session| session.user)
    }
}

#[tokio::test]
async fn a_certificate_wins_over_a_token_and_a_bad_one_is_told_only_without_a_token() {
    let (state, now) = (State::new(), SystemTime::now());
    let secret = state.tokens.create("bob", &[], None).unwrap();
    let (good, bad) = (state.certificate("ada", now), Err(CertificateRefusal::Foreign));
    let request = async |certificate, bearer| {
        let principal = state.authenticator.request(certificate, bearer, now).await;
        principal.map(|principal| principal.name.clone())
    };
    assert_eq!(request(Some(&good), Some(&secret)).await.unwrap(), "ada");
    assert_eq!(request(Some(&bad), Some(&secret)).await.unwrap(), "bob");
    assert_eq!(request(None, Some(&secret)).await.unwrap(), "bob");
    assert!(matches!(
        request(Some(&bad), None).await.unwrap_err(),
        RequestRefusal::Certificate(CertificateRefusal::Foreign)
    ));
    assert!(matches!(request(None, None).await.unwrap_err(), RequestRefusal::NoCredential));
}

#[tokio::test]
async fn a_certificate_that_expires_while_its_connection_lasts_is_refused() {
    let (state, now) = (State::new(), SystemTime::now());
    let certificate = state.certificate("ada", now);
    let until = certificate.as_ref().unwrap().until;
    let left = until.duration_since(now).unwrap().as_secs();
    assert!((3590..=3600).contains(&left), "{left}");
    assert!(state.authenticator.request(Some(&certificate), None, until).await.is_ok());
    let refused = state.authenticator.request(Some(&certificate), None, until + Duration::from_secs(1)).await;
    assert!(matches!(refused.unwrap_err(), RequestRefusal::Certificate(CertificateRefusal::Expired)));
}

#[tokio::test]
async fn an_expired_token_and_a_file_that_cannot_be_read_are_told_apart() {
    let (state, now) = (State::new(), SystemTime::now());
    let in_an_hour = Timestamp::try_from(now + HOUR).unwrap();
    let secret = state.tokens.create("bob", &[], Some(in_an_hour)).unwrap();
    assert!(state.authenticator.request(None, Some(&secret), now).await.is_ok());
    let refused = state.authenticator.request(None, Some(&secret), now + HOUR).await.unwrap_err();
    assert!(matches!(refused, RequestRefusal::Token(TokenRefusal::Expired)) && refused.failure().is_none());

    std::fs::write(state.folder.path().join("tokens.json"), "[ nonsense").unwrap();
    let refused = state.authenticator.request(None, Some(&secret), now).await.unwrap_err();
    let failure = refused.failure().expect("the gateway's own failure").to_string();
    assert!(failure.contains("tokens.json is not valid: line 1"), "{failure}");
}

#[tokio::test]
async fn a_password_session_ends_with_the_password() {
    let state = State::new();
    state.users.set_password("ada", "correct horse").unwrap();
    let log_in = async |password: &str| state.authenticator.log_in_with_password("ada", password.to_owned()).await;
    assert!(matches!(log_in("correct house").await.unwrap_err(), LoginRefusal::Wrong));
    let token = state.authenticator.start(log_in("correct horse").await.unwrap(), Instant::now());
    assert_eq!(state.user_of(&token).await.as_deref(), Some("ada"));

    state.users.set_password("ada", "another horse").unwrap();
    assert_eq!(state.user_of(&token).await, None);
    state.users.set_password("ada", "correct horse").unwrap();
    assert_eq!(state.user_of(&token).await, None, "it stays ended");
}

#[tokio::test]
async fn a_link_session_of_a_local_user_ends_with_the_user() {
    let state = State::new();
    state.users.set_password("ada", "correct horse").unwrap();
    let (ada, guest) = (state.log_in_with_link("ada").await, state.log_in_with_link("auditor@example.com").await);
    assert_eq!(state.user_of(&ada).await.as_deref(), Some("ada"));
    assert!(state.users.remove("ada").unwrap());
    assert_eq!(state.user_of(&ada).await, None);
    assert_eq!(state.user_of(&guest).await.as_deref(), Some("auditor@example.com"));
}

#[tokio::test]
async fn another_process_ends_link_sessions_by_revoking_the_links() {
    let state = State::new();
    let (guest, bob) = (state.log_in_with_link("auditor@example.com").await, state.log_in_with_link("bob").await);
    let program = Links::open(&state.folder.path().join("links.json")).unwrap();
    assert_eq!(program.revoke("auditor@example.com").unwrap(), 0, "no link waits");
    assert_eq!((state.user_of(&guest).await, state.user_of(&bob).await.as_deref()), (None, Some("bob")));
    let again = state.log_in_with_link("auditor@example.com").await;
    assert_eq!(state.user_of(&again).await.as_deref(), Some("auditor@example.com"));
}

#[tokio::test]
async fn a_person_can_be_logged_out_everywhere() {
    let state = State::new();
    let (ada, bob) = (state.log_in_with_link("ada").await, state.log_in_with_link("bob").await);
    let waiting = state.links.create("ada", HOUR).unwrap();
    assert_eq!(state.authenticator.log_out_user("ada").unwrap(), 1);
    assert_eq!((state.user_of(&ada).await, state.user_of(&bob).await.as_deref()), (None, Some("bob")));
    assert_eq!(state.authenticator.link_user(waiting.rsplit('/').next().unwrap()).unwrap(), None);
}

fn lock(reason: &str) -> Lock {
    Lock { by: "ann".to_owned(), since: Timestamp::UNIX_EPOCH, reason: reason.to_owned() }
}

#[tokio::test]
async fn a_lock_refuses_every_credential_of_a_person_at_once_and_nobody_elses() {
    let (state, now) = (State::new(), SystemTime::now());
    let [bobs, adas] = ["bob", "ada"].map(|name| state.tokens.create(name, &[], None).unwrap());
    let certificate = state.certificate("bob", now);
    state.users.set_password("bob", "correct horse").unwrap();
    let link = state.links.create("bob", HOUR).unwrap();
    let cookie = state.log_in_with_link("bob").await;
    let request = async |certificate, bearer| state.authenticator.request(certificate, bearer, now).await;
    assert!(request(Some(&certificate), None).await.is_ok() && request(None, Some(&bobs)).await.is_ok());
    assert_eq!(state.user_of(&cookie).await.as_deref(), Some("bob"));

    state.locks.lock("bob", lock("the laptop was stolen")).unwrap();
    for refused in [request(Some(&certificate), None).await, request(None, Some(&bobs)).await] {
        let refusal = refused.unwrap_err();
        assert!(refusal.is_locked() && refusal.failure().is_none());
        assert_eq!(refusal.to_string(), "bob is locked out by an administrator: the laptop was stolen");
    }
    assert_eq!(state.user_of(&cookie).await, None);
    let password = state.authenticator.log_in_with_password("bob", "correct horse".to_owned()).await;
    assert!(matches!(password.unwrap_err(), LoginRefusal::Locked(name) if name == "bob"));
    // Who does not have the password learns nothing.
    let guess = state.authenticator.log_in_with_password("bob", "incorrect horse".to_owned()).await;
    assert!(matches!(guess.unwrap_err(), LoginRefusal::Wrong));
    let linked = state.authenticator.log_in_with_link(link.rsplit('/').next().unwrap()).await;
    assert!(matches!(linked.unwrap_err(), LoginRefusal::Locked(_)));
    assert!(request(None, Some(&adas)).await.is_ok());

    state.locks.unlock("bob").unwrap();
    assert!(request(Some(&certificate), None).await.is_ok());
    assert_eq!(state.user_of(&cookie).await, None, "a login that ended does not come back");
}

#[tokio::test]
async fn a_revoked_certificate_is_refused_and_files_that_cannot_be_read_let_nobody_in() {
    let (state, now) = (State::new(), SystemTime::now());
    let (certificate, other) = (state.certificate("bob", now), state.certificate("bob", now));
    let holder = certificate.as_ref().unwrap();
    let serial = holder.principal.credential_id.clone();
    let made = IssuedCertificate {
        serial: serial.clone(),
        name: "bob".to_owned(),
        groups: Vec::new(),
        created: Timestamp::now(),
        expires: Timestamp::try_from(holder.until).unwrap(),
        revoked: None,
    };
    state.certificates.add(made).unwrap();
    state.certificates.revoke(&serial, Timestamp::now()).unwrap().unwrap();
    let request = async |certificate| state.authenticator.request(Some(certificate), None, now).await;
    assert!(matches!(request(&certificate).await.unwrap_err(), RequestRefusal::Revoked));
    assert!(request(&other).await.is_ok());

    for file in ["certificates.json", "locks.json"] {
        std::fs::write(state.folder.path().join(file), "nonsense").unwrap();
        let refusal = request(&other).await.unwrap_err();
        assert!(refusal.failure().unwrap().to_string().contains(file), "{refusal}");
        std::fs::remove_file(state.folder.path().join(file)).unwrap();
        assert!(request(&other).await.is_ok());
    }
}

#[test]
fn a_certificate_names_somebody_whose_name_can_be() {
    let (state, now) = (State::new(), SystemTime::now());
    let identify = |names: &[(DnType, &str)]| state.authenticator.certificate(&[state.certificate_by_hand(names)], now);
    let (name, group) = (DnType::CommonName, DnType::OrganizationName);
    assert_eq!(identify(&[(name.clone(), "ada"), (group.clone(), "dev")]).unwrap().principal.groups, ["dev"]);
    for bad in ["system:admin", "local:root", "import", "a\u{202e}da", "a\u{200b}da", " ada", ""] {
        for names in [vec![(name.clone(), bad)], vec![(name.clone(), "ada"), (group.clone(), bad)]] {
            let refused = identify(&names);
            assert!(matches!(refused, Err(CertificateRefusal::Unusable(_))), "{names:?}: {refused:?}");
        }
    }
}
