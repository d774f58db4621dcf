//! The step as a whole. Each credential that names somebody has twins with one fact changed, and they name nobody.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE};
use serde_json::{Value, json};

use super::claims::{ClaimProblem, GroupsProblem};
use super::identifier::{Ask, Identifier};
use super::jws::JwsProblem;
use super::keys::{NoKeys, Provider, Providers};
use super::known::{Binding, KnownUser};
use super::refusal::UserRefusal;
use super::testing::{self, Signer};
use crate::clock::{Clock, Timestamp};
use crate::config::{Host, SessionRules};
use crate::identify_device::KnownDevice;
use crate::inventory::{ClaimValue, Inventory, SessionOver, SessionUse, samples};
use crate::secret::Digest;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const ISSUER: &str = "https://idp.example/";
/// As long as by default.
const RULES: SessionRules = SessionRules {
    idle_timeout: Duration::from_secs(3600),
    fresh_for: Duration::from_secs(900),
    max_fact_age: Duration::from_secs(3600),
};
const TOKEN: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A gate with one provider and one signed-in person.
struct Gate {
    signer: Signer,
    inventory: Arc<Inventory>,
    providers: Providers,
    identifier: Identifier,
    device: KnownDevice,
    host: Host,
    now: Timestamp,
}

impl Gate {
    fn new() -> Self {
        let signer = Signer::es256("k1");
        let provider = Provider::fixed(testing::settings("corp", ISSUER), testing::jwks(&[&signer]).as_bytes(), NOW);
        Self::with(signer, vec![provider])
    }

    fn with(signer: Signer, all: Vec<Arc<Provider>>) -> Self {
        let inventory = Arc::new(Inventory::default());
        let host: Host = "wiki.example".parse().unwrap();
        let session = samples::session("s1", "ana", "lap-1", NOW);
        inventory.put_session(session.clone(), SessionUse::begun(NOW));
        inventory.put_cookie(Digest::of(TOKEN.as_bytes()), &session.id, host.clone());
        Self {
            signer,
            identifier: Identifier::new(Arc::clone(&inventory)),
            inventory,
            providers: Providers::fixed(all, Clock::manual(NOW)),
            device: testing::device("lap-1"),
            host,
            now: NOW,
        }
    }

    async fn ask(&self, headers: &HeaderMap) -> Result<KnownUser, UserRefusal> {
        let ask =
            Ask { providers: &self.providers, rules: &RULES, host: &self.host, headers, device: &self.device, now: self.now };
        self.identifier.identify(ask).await
    }

    async fn cookie(&self, cookie: &str) -> Result<KnownUser, UserRefusal> {
        self.ask(&HeaderMap::from_iter([(COOKIE, cookie.parse().unwrap())])).await
    }

    async fn bearer(&self, token: &str) -> Result<KnownUser, UserRefusal> {
        self.ask(&HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {token}").parse().unwrap())])).await
    }

    /// The good claims with some changed; null takes one out.
    async fn claims(&self, changes: Value) -> Result<KnownUser, UserRefusal> {
        self.bearer(&self.signer.sign(&changed(claims(), &changes))).await
    }

    /// The good header with some members changed; null takes one out.
    async fn header(&self, changes: Value) -> Result<KnownUser, UserRefusal> {
        let header = changed(self.signer.header(), &changes).to_string();
        self.bearer(&self.signer.sign_text(&header, &claims().to_string())).await
    }
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": "sekisho", "sub": "ana", "iat": NOW.as_secs() - 10, "exp": NOW.as_secs() + 600,
        "auth_time": NOW.as_secs() - 60, "email": "ana@Corp.Example", "email_verified": true, "groups": ["staff", "hr"],
        "department": "people", "amr": ["pwd", "otp"],
    })
}

fn changed(mut object: Value, changes: &Value) -> Value {
    let members = object.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => members.remove(name),
            value => members.insert(name.clone(), value.clone()),
        };
    }
    object
}

fn malformed(claim: &'static str) -> UserRefusal {
    UserRefusal::Claims(ClaimProblem::Malformed(claim))
}

#[tokio::test]
async fn a_cookie_names_its_session() {
    let gate = Gate::new();
    let user = gate.cookie(&format!("a=b; __Host-sekisho={TOKEN}")).await.unwrap();
    assert_eq!((&*user.session.id.0, user.binding), ("s1", Binding::Session));
    assert_eq!(user.facts, Digest::of(user.session.facts_json().as_bytes()));
}

#[tokio::test]
async fn a_copied_cookie_is_theft() {
    let mut gate = Gate::new();
    gate.device = testing::device("lap-2");
    let refusal = gate.cookie(&format!("__Host-sekisho={TOKEN}")).await.unwrap_err();
    assert_eq!(refusal, UserRefusal::OtherDevice);
    assert!(refusal.is_theft() && !refusal.sign_in_helps() && refusal.as_str() == "credential_replayed");
}

#[tokio::test]
async fn a_cookie_is_for_one_host() {
    let mut gate = Gate::new();
    gate.host = "other.example".parse().unwrap();
    assert_eq!(gate.cookie(&format!("__Host-sekisho={TOKEN}")).await.unwrap_err(), UserRefusal::OtherHost);
}

#[tokio::test]
async fn a_session_has_its_ends() {
    let cookie = format!("__Host-sekisho={TOKEN}");
    let mut gate = Gate::new();
    gate.now = NOW.plus(Duration::from_secs(3599));
    assert!(gate.cookie(&cookie).await.is_ok(), "a second before it is idle");
    gate.now = gate.now.plus(Duration::from_secs(3600));
    assert_eq!(gate.cookie(&cookie).await.unwrap_err(), UserRefusal::SessionOver(SessionOver::Idle));
    gate.now = NOW.plus(Duration::from_secs(12 * 3600));
    assert_eq!(gate.cookie(&cookie).await.unwrap_err(), UserRefusal::SessionOver(SessionOver::Expired));

    let gate = Gate::new();
    gate.inventory.set_suspended(&samples::user("ana"), true);
    assert_eq!(gate.cookie(&cookie).await.unwrap_err(), UserRefusal::Suspended);

    let gate = Gate::new();
    gate.inventory.drop_session(&crate::inventory::SessionId("s1".into()));
    assert_eq!(gate.cookie(&cookie).await.unwrap_err(), UserRefusal::UnknownSession);
}

#[tokio::test]
async fn a_cookie_decides_even_beside_a_good_token() {
    let gate = Gate::new();
    let mut headers = HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {}", gate.signer.sign(&claims())).parse().unwrap())]);
    assert_eq!(gate.ask(&headers).await.unwrap().binding, Binding::None);
    headers.insert(COOKIE, format!("__Host-sekisho={TOKEN}").parse().unwrap());
    assert_eq!(gate.ask(&headers).await.unwrap().binding, Binding::Session);
    headers.insert(COOKIE, "__Host-sekisho=x".parse().unwrap());
    assert_eq!(gate.ask(&headers).await.unwrap_err(), UserRefusal::MalformedCookie);
    headers.insert(COOKIE, format!("__Host-sekisho={}", TOKEN.replace('A', "B")).parse().unwrap());
    assert_eq!(gate.ask(&headers).await.unwrap_err(), UserRefusal::UnknownSession);
}

#[tokio::test]
async fn nothing_names_nobody() {
    let refusal = Gate::new().ask(&HeaderMap::new()).await.unwrap_err();
    assert!(refusal == UserRefusal::NoCredential && refusal.sign_in_helps());
}

#[tokio::test]
async fn a_token_states_its_facts() {
    let user = Gate::new().claims(json!({})).await.unwrap();
    let session = &user.session;
    assert_eq!((&*session.user.provider, &*session.user.subject), ("corp", "ana"));
    assert_eq!(session.email.as_deref(), Some("ana@corp.example"));
    assert_eq!(session.groups.iter().collect::<Vec<_>>(), ["hr", "staff"]);
    assert_eq!(session.claims.get("department"), Some(&ClaimValue::Text("people".to_owned())));
    assert_eq!(session.authenticated_at, Timestamp::from_secs(NOW.as_secs() - 60));
    assert!(session.mfa && session.id.0.starts_with("token-") && user.binding == Binding::None);
}

/// What is made ready for a person is kept by this: it must not stand for anybody else, nor for what they were before.
#[tokio::test]
async fn tokens_that_say_the_same_of_a_person_have_the_same_facts_and_others_do_not() {
    let mut other = testing::settings("other", "https://other.example");
    other.audience = Some("sekisho".to_owned());
    let signer = Signer::es256("k1");
    let keys = json!({"keys": [signer.jwk()]}).to_string();
    let of = |settings| Provider::fixed(settings, keys.as_bytes(), NOW);
    let gate = Gate::with(signer, vec![of(testing::settings("corp", ISSUER)), of(other)]);
    let first = gate.claims(json!({"jti": "1"})).await.unwrap();
    for same in [json!({"jti": "2"}), json!({"exp": NOW.as_secs() + 60}), json!({"iat": NOW.as_secs()}), json!({"tail": "x"})] {
        let user = gate.claims(same.clone()).await.unwrap();
        assert_eq!(user.facts, first.facts, "{same}");
        assert_ne!(user.session.id, first.session.id, "{same}");
    }
    let changes = [
        json!({"sub": "bo"}),
        json!({"iss": "https://other.example"}),
        json!({"email": "bo@corp.example"}),
        json!({"email_verified": false}),
        json!({"name": "Ana"}),
        json!({"groups": ["staff"]}),
        json!({"groups": ["staff hr"]}),
        json!({"department": "legal"}),
        json!({"department": ["people"]}),
        json!({"auth_time": NOW.as_secs() - 59}),
        json!({"acr": "gold"}),
        json!({"amr": ["pwd"]}),
    ];
    let mut seen = vec![first.facts];
    for change in changes {
        let facts = gate.claims(change.clone()).await.unwrap().facts;
        assert!(!seen.contains(&facts), "{change}");
        seen.push(facts);
    }
}

#[tokio::test]
async fn every_accepted_algorithm_verifies_and_is_fixed_by_the_key() {
    use jsonwebtoken::Algorithm::{PS256, PS384, PS512, RS256, RS384, RS512};
    let rsa = Signer::rsa("r");
    let mut pinned = rsa.jwk();
    pinned["alg"] = "PS384".into();
    let of = |jwk: Value| Provider::fixed(testing::settings("corp", ISSUER), json!({"keys": [jwk]}).to_string().as_bytes(), NOW);

    let ed = Signer::ed25519("e");
    let jwk = ed.jwk();
    assert!(Gate::with(ed, vec![of(jwk)]).claims(json!({})).await.is_ok());
    for algorithm in [RS256, RS384, RS512, PS256, PS384, PS512] {
        let open = Gate::with(rsa.with(algorithm), vec![of(rsa.jwk())]);
        assert!(open.claims(json!({})).await.is_ok(), "{algorithm:?}");
        let fixed = Gate::with(rsa.with(algorithm), vec![of(pinned.clone())]).claims(json!({})).await;
        match algorithm {
            PS384 => assert!(fixed.is_ok()),
            _ => assert_eq!(fixed.unwrap_err(), UserRefusal::Token(JwsProblem::Algorithm), "{algorithm:?}"),
        }
    }
}

#[tokio::test]
async fn the_header_cannot_talk_its_way_in() {
    let gate = Gate::new();
    let algorithm = UserRefusal::Token(JwsProblem::Algorithm);
    for alg in ["none", "None", "", "HS256", "RS256", "es256", "ES384", "ES256 "] {
        assert_eq!(gate.header(json!({"alg": alg})).await.unwrap_err(), algorithm, "{alg}");
    }
    assert_eq!(gate.header(json!({"alg": null})).await.unwrap_err(), algorithm);
    assert_eq!(gate.header(json!({"alg": 0})).await.unwrap_err(), algorithm);
    for critical in [json!({"crit": ["exp"]}), json!({"b64": false})] {
        assert_eq!(gate.header(critical).await.unwrap_err(), UserRefusal::Token(JwsProblem::Critical));
    }
    for typ in ["dpop+jwt", "logout+jwt", "secevent+jwt", "id_token"] {
        assert_eq!(gate.header(json!({"typ": typ})).await.unwrap_err(), UserRefusal::TokenKind, "{typ}");
    }
    for kid in [json!(7), json!(["k1"]), json!(""), json!("k".repeat(257))] {
        assert_eq!(gate.header(json!({"kid": kid})).await.unwrap_err(), UserRefusal::Token(JwsProblem::Malformed));
    }
    for typ in ["JWT", "at+jwt", "application/at+jwt", "AT+JWT"] {
        assert!(gate.header(json!({"typ": typ})).await.is_ok(), "{typ}");
    }
    assert!(gate.header(json!({"typ": null})).await.is_ok());
    assert!(gate.header(json!({"kid": null})).await.is_ok(), "one key fits");
    let foreign = Signer::es256("k1");
    let header = changed(foreign.header(), &json!({"jwk": foreign.jwk(), "jku": "https://evil.example/"})).to_string();
    let token = foreign.sign_text(&header, &claims().to_string());
    assert_eq!(gate.bearer(&token).await.unwrap_err(), UserRefusal::Token(JwsProblem::Signature));
}

#[tokio::test]
async fn without_a_key_id_only_one_key_may_fit() {
    let (signer, other) = (Signer::es256("a"), Signer::es256("b"));
    let provider = Provider::fixed(testing::settings("corp", ISSUER), testing::jwks(&[&signer, &other]).as_bytes(), NOW);
    let gate = Gate::with(signer, vec![provider]);
    assert_eq!(gate.header(json!({"kid": null})).await.unwrap_err(), UserRefusal::Token(JwsProblem::AmbiguousKey));
    assert!(gate.header(json!({})).await.is_ok());
}

#[tokio::test]
async fn what_is_not_a_token_is_malformed() {
    let gate = Gate::new();
    let good = gate.signer.sign(&claims());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let twice = claims().to_string().replacen('{', r#"{"sub":"admin","#, 1);
    let header = gate.signer.header().to_string();
    for token in [
        message.to_owned(),
        format!("{message}."),
        format!("{good}="),
        format!("{good}.x"),
        format!(".{good}"),
        gate.signer.sign_text(&header, &twice),
        gate.signer.sign_text(&header, "[]"),
        gate.signer.sign_text(&header, "x"),
        gate.signer.sign_text(&header.replacen('{', r#"{"alg":"none","#, 1), &claims().to_string()),
        "x".repeat(40_000),
    ] {
        assert_eq!(gate.bearer(&token).await.unwrap_err(), UserRefusal::Token(JwsProblem::Malformed), "{token}");
    }
    let zero = format!("{message}.{}", "A".repeat(signature.len()));
    assert_eq!(gate.bearer(&zero).await.unwrap_err(), UserRefusal::Token(JwsProblem::Signature));
}

#[tokio::test]
async fn issuer_and_audience_are_compared_exactly() {
    let gate = Gate::new();
    for iss in [json!("https://idp.example"), json!("https://idp.example/x"), json!([ISSUER]), json!(""), Value::Null] {
        assert_eq!(gate.claims(json!({"iss": iss})).await.unwrap_err(), UserRefusal::Issuer, "{iss}");
    }
    for aud in [json!("other"), json!("sekisho2"), json!("seki"), json!("sekisho other"), json!([]), json!(["other"])] {
        assert_eq!(gate.claims(json!({"aud": aud})).await.unwrap_err(), UserRefusal::Audience, "{aud}");
    }
    for aud in [Value::Null, json!(1), json!({"sekisho": 1}), json!([["sekisho"]]), json!([1, "sekisho"])] {
        assert_eq!(gate.claims(json!({"aud": aud})).await.unwrap_err(), malformed("aud"), "{aud}");
    }
    assert!(gate.claims(json!({"aud": ["other", "sekisho"]})).await.is_ok());
}

#[tokio::test]
async fn a_key_of_one_provider_signs_for_that_one_only() {
    let (one, two) = (Signer::es256("k1"), Signer::es256("k2"));
    let first = Provider::fixed(testing::settings("one", ISSUER), testing::jwks(&[&one]).as_bytes(), NOW);
    let second = Provider::fixed(testing::settings("two", "https://two.example"), testing::jwks(&[&two]).as_bytes(), NOW);
    let gate = Gate::with(one, vec![first, second]);
    assert!(gate.claims(json!({})).await.is_ok());
    let refusal = gate.claims(json!({"iss": "https://two.example"})).await.unwrap_err();
    assert_eq!(refusal, UserRefusal::Token(JwsProblem::UnknownKey));
}

#[tokio::test]
async fn times_are_numbers_and_are_kept() {
    let gate = Gate::new();
    for claim in ["exp", "nbf", "iat", "auth_time"] {
        for wrong in [json!("9999999999"), json!([1]), json!({}), json!(true), json!(-1), json!(1e300)] {
            assert_eq!(gate.claims(json!({claim: wrong})).await.unwrap_err(), malformed(claim), "{claim} {wrong}");
        }
        let null = claims().to_string().replacen('{', &format!("{{\"{claim}x\":0,\"nbf\":null,"), 1);
        assert!(gate.bearer(&gate.signer.sign_text(&gate.signer.header().to_string(), &null)).await.is_err());
    }
    let now = NOW.as_secs();
    assert_eq!(gate.claims(json!({"exp": null})).await.unwrap_err(), malformed("exp"));
    assert_eq!(gate.claims(json!({"exp": now - 30})).await.unwrap_err(), UserRefusal::Claims(ClaimProblem::Expired));
    assert!(gate.claims(json!({"exp": now - 29})).await.is_ok(), "within the leeway");
    for claim in ["nbf", "iat", "auth_time"] {
        assert_eq!(gate.claims(json!({claim: now + 31})).await.unwrap_err(), UserRefusal::Claims(ClaimProblem::NotYetValid));
        assert!(gate.claims(json!({claim: now + 30})).await.is_ok(), "{claim} within the leeway");
    }
    #[expect(clippy::cast_precision_loss, reason = "small enough")]
    let fraction = now as f64 + 0.5;
    assert!(gate.claims(json!({"exp": fraction, "iat": fraction, "auth_time": fraction})).await.is_ok());
}

#[tokio::test]
async fn a_subject_is_printable() {
    let gate = Gate::new();
    for sub in [Value::Null, json!(""), json!(5), json!(["ana"]), json!("a\r\nX: y"), json!("a\u{0}b"), json!("s".repeat(256))] {
        assert_eq!(gate.claims(json!({"sub": sub})).await.unwrap_err(), malformed("sub"), "{sub}");
    }
    assert!(gate.claims(json!({"sub": "s".repeat(255)})).await.is_ok());
}

/// Whoever may change groups at the provider is not thereby an administrator here.
#[tokio::test]
async fn a_provider_puts_nobody_into_the_gates_own_group() {
    let gate = Gate::new();
    let user = gate.claims(json!({"groups": ["staff", "sekisho-administrators"]})).await.unwrap();
    assert_eq!(user.session.groups.iter().collect::<Vec<_>>(), ["staff"]);
    let alike = gate.claims(json!({"groups": ["Sekisho-Administrators"]})).await.unwrap();
    assert_eq!(alike.session.groups.iter().collect::<Vec<_>>(), ["Sekisho-Administrators"], "policies tell them apart");
}

#[tokio::test]
async fn groups_that_cannot_be_read_refuse() {
    let gate = Gate::new();
    let refusal = gate.claims(json!({"groups": "staff"})).await.unwrap_err();
    assert_eq!(refusal, UserRefusal::Groups(GroupsProblem::OneText));
    for groups in [json!({"staff": true}), json!([["staff"]]), json!([1]), json!([""]), json!(["a\r\nb"])] {
        let refusal = gate.claims(json!({"groups": groups})).await.unwrap_err();
        assert_eq!(refusal, UserRefusal::Groups(GroupsProblem::Malformed), "{groups}");
    }
    let missing = gate.claims(json!({"groups": null})).await.unwrap_err();
    assert_eq!(missing, UserRefusal::Groups(GroupsProblem::Missing));
    for overage in
        [json!({"groups": null, "hasgroups": true}), json!({"hasgroups": "true"}), json!({"_claim_names": {"groups": "src1"}})]
    {
        assert_eq!(gate.claims(overage).await.unwrap_err(), UserRefusal::Groups(GroupsProblem::Overage));
    }
    assert!(gate.claims(json!({"groups": []})).await.unwrap().session.groups.is_empty(), "an empty list is an answer");
}

#[tokio::test]
async fn an_address_counts_only_verified_and_with_one_reading() {
    let gate = Gate::new();
    let email = async |changes| gate.claims(changes).await.unwrap().session.email.clone();
    for verified in [json!(false), json!("true"), json!(1), Value::Null] {
        assert_eq!(email(json!({"email_verified": verified})).await, None, "{verified}");
    }
    for address in [
        "a@evil.example@corp.example",
        " ana@corp.example",
        "corp.example",
        "a@evil,b@corp.example",
        "\"a@b\"@corp.example",
        "a\u{0}@corp.example",
        "a@c\u{430}rp.example",
        "@corp.example",
        "a@",
    ] {
        assert_eq!(email(json!({"email": address})).await, None, "{address}");
    }
}

#[tokio::test]
async fn a_bound_token_works_on_its_connection_only() {
    let mut gate = Gate::new();
    let thumbprint = gate.device.certificate.to_base64url();
    let token = gate.signer.sign(&changed(claims(), &json!({"cnf": {"x5t#S256": thumbprint}})));
    assert_eq!(gate.bearer(&token).await.unwrap().binding, Binding::Certificate);
    gate.device.certificate = Digest::of(b"another certificate of the same device");
    assert_eq!(gate.bearer(&token).await.unwrap_err(), UserRefusal::OtherDevice, "remembered");
    gate.device = testing::device("lap-2");
    let refusal = gate.bearer(&token).await.unwrap_err();
    assert!(refusal == UserRefusal::OtherDevice && refusal.is_theft());

    let gate = Gate::new();
    for confirmation in
        [json!({"jkt": "x"}), json!({"x5t#S256": thumbprint, "jkt": "x"}), json!({}), json!("x"), json!({"x5t#S256": 1})]
    {
        assert_eq!(gate.claims(json!({"cnf": confirmation})).await.unwrap_err(), UserRefusal::Confirmation, "{confirmation}");
    }
}

#[tokio::test]
async fn a_logout_token_is_no_access_token() {
    let events = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
    assert_eq!(Gate::new().claims(json!({"events": events})).await.unwrap_err(), UserRefusal::TokenKind);
}

#[tokio::test]
async fn what_is_remembered_is_asked_again() {
    let mut gate = Gate::new();
    let token = gate.signer.sign(&claims());
    let first = gate.bearer(&token).await.unwrap();
    assert!(Arc::ptr_eq(&first.session, &gate.bearer(&token).await.unwrap().session), "it is remembered");

    gate.inventory.set_suspended(&first.session.user, true);
    assert_eq!(gate.bearer(&token).await.unwrap_err(), UserRefusal::Suspended);
    gate.inventory.set_suspended(&first.session.user, false);

    gate.now = NOW.plus(Duration::from_secs(631));
    assert_eq!(gate.bearer(&token).await.unwrap_err(), UserRefusal::Claims(ClaimProblem::Expired));
    gate.now = NOW;

    gate.device = testing::device("lap-2");
    let other = gate.bearer(&token).await.unwrap();
    assert_eq!(other.session.device, gate.device.device.id, "facts of one device are not used for another");

    gate.providers = Providers::fixed(Vec::new(), Clock::manual(NOW));
    assert_eq!(gate.bearer(&token).await.unwrap_err(), UserRefusal::Issuer, "the provider was taken out");
}

#[tokio::test]
async fn keys_that_are_too_old_refuse() {
    let mut gate = Gate::new();
    let later = NOW.plus(Duration::from_secs(24 * 3600));
    let token = gate.signer.sign(&changed(claims(), &json!({"exp": later.as_secs() + 600})));
    assert!(gate.bearer(&token).await.is_ok());
    gate.now = later;
    assert!(gate.bearer(&token).await.is_ok(), "the provider is down, the keys serve on");
    gate.now = Timestamp(later.0 + 1);
    let refusal = gate.bearer(&token).await.unwrap_err();
    assert!(refusal == UserRefusal::NoKeys(NoKeys::Stale) && refusal.is_ours());
}

/// A provider whose keys change, kept fresh by the real task.
#[tokio::test]
async fn a_rotated_key_loses_no_request() {
    let keys = Arc::new(std::sync::Mutex::new(String::new()));
    let serving = Arc::clone(&keys);
    let issuer = crate::outbound::testing::serve(move |request| {
        let address = format!("http://{}", request.headers()["host"].to_str().unwrap());
        http::Response::new(match request.uri().path() {
            "/jwks" => serving.lock().unwrap().clone(),
            _ => json!({"issuer": address, "jwks_uri": format!("{address}/jwks")}).to_string(),
        })
    })
    .await;
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    *keys.lock().unwrap() = testing::jwks(&[&old]);
    let mut gate = Gate::with(old, Vec::new());
    let metrics = super::keys::KeyMetrics::register(&prometheus::Registry::new()).unwrap();
    let settings = [Arc::new(testing::settings("corp", &issuer))];
    let control = tokio::runtime::Handle::current();
    gate.providers = Providers::start(&settings, control, Clock::manual(NOW), metrics).unwrap();
    assert!(gate.claims(json!({"iss": issuer})).await.is_ok(), "the first keys are awaited");

    *keys.lock().unwrap() = testing::jwks(&[&new]);
    let of_old = gate.signer.sign(&changed(claims(), &json!({"iss": issuer, "sub": "bob"})));
    gate.signer = new;
    assert!(gate.claims(json!({"iss": issuer})).await.is_ok(), "so is the new key");
    let refusal = gate.bearer(&of_old).await.unwrap_err();
    assert_eq!(refusal, UserRefusal::Token(JwsProblem::UnknownKey));
    let again = tokio::time::timeout(Duration::from_millis(200), gate.bearer(&of_old)).await.expect("nobody waits twice");
    assert_eq!(again.unwrap_err(), refusal);
}

/// The corpus of claims and signatures, where it is.
#[tokio::test]
async fn the_corpus_of_tokens() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance/jwt-claims/open.json");
    let Ok(text) = std::fs::read(&path) else {
        eprintln!("skipped: {} is not there", path.display());
        return;
    };
    let corpus: Value = serde_json::from_slice(&text).unwrap();
    let mut settings = testing::settings("corp", "https://idp.test");
    settings.audience = Some("zt-proxy".to_owned());
    let provider = Provider::fixed(settings, corpus["jwks"].to_string().as_bytes(), NOW);
    let gate = Gate::with(Signer::es256("unused"), vec![provider]);
    let mut wrong = Vec::new();
    for case in corpus["cases"].as_array().unwrap() {
        let (id, expect) = (case["id"].as_str().unwrap(), case["expect"].as_str().unwrap());
        let Ok(value) = http::HeaderValue::from_str(&format!("Bearer {}", case["token"].as_str().unwrap())) else {
            assert_eq!(expect, "reject", "{id}");
            continue;
        };
        let verdict = gate.ask(&HeaderMap::from_iter([(AUTHORIZATION, value)])).await;
        let email_domain = |user: &KnownUser| user.session.email.as_ref().is_some_and(|email| email.ends_with("@example.test"));
        let right = match (expect, &verdict) {
            ("accept", verdict) => verdict.is_ok(),
            ("reject", verdict) => verdict.is_err(),
            ("deny-group", Ok(user)) => !user.session.groups.contains("admin"),
            // The domain of an address has no case: a rule about it holds for each spelling.
            ("deny-domain", Ok(user)) => !email_domain(user) || id == "email-upper",
            _ => true,
        };
        if !right {
            wrong.push((id, expect, verdict.err()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
