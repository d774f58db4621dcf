//! What a provider says of a person, on its way into policies and headers.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::knock::Road;
use crate::harness::{House, Recorder, Signer, jwks, now};

/// The road of a gate that knows a second provider, whose key file has this signer's key.
struct Partner {
    road: Road,
    signer: Signer,
}

impl Partner {
    async fn with(policies: &str) -> Self {
        let mut road = Road::planned(House::plan().policies(policies), "", Recorder::open().await).await;
        let signer = Signer::es256("p");
        road.house.write("partner.json", &jwks([signer.jwk()]));
        let section = "[[identity_provider]]\nname = \"partner\"\nissuer = \"https://partner.example\"\naudience = \"sekisho\"\n\
             jwks_file = \"partner.json\"\ngroups_claim = \"groups\"\n";
        road.house.set("end", section);
        road.house.must(&["reload"]).await;
        Self { road, signer }
    }

    /// A good token of `guest` on the road's laptop, but for `claims`; null is a value like any other.
    fn token(&self, claims: &Value) -> String {
        let now = now();
        let mut all = json!({
            "iss": "https://partner.example", "aud": "sekisho", "sub": "guest", "iat": now, "nbf": now, "exp": now + 300,
            "auth_time": now, "cnf": { "x5t#S256": URL_SAFE_NO_PAD.encode(self.road.laptop.thumbprint()) },
        });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        self.signer.sign(&all)
    }
}

/// Holds: 44.
#[tokio::test]
async fn who_is_in_no_group_is_in_none_whatever_it_says() {
    let policies = "@id(\"all\") permit (principal, action, resource);";
    let partner = Partner::with(policies).await;
    let (road, token) = (&partner.road, partner.token(&json!({ "groups": [] })));
    let lines = "X-Forwarded-Groups: admins\r\nX-Forwarded-Email: evil@corp.example\r\nX_Forwarded_Groups: admins\r\n";
    let head = road.head(&road.visitor, "GET /closed", format!("Authorization: Bearer {token}\r\n{lines}"));
    let heard = road.passes(&road.visitor, head).await;
    assert!(heard.has("\r\nx-forwarded-user: partner/guest\r\n"));
    assert!(!heard.has("admins") && !heard.has("forwarded-groups") && !heard.has("forwarded_groups") && !heard.has("email"));
}

/// Holds: 62.
#[tokio::test]
async fn a_claim_of_another_shape_is_no_membership() {
    let policies = "@id(\"wiki\") permit (principal in Group::\"staff\", action, resource);
        @id(\"house\") permit (principal, action, resource == App::\"notes\") when { principal has email && principal.email like \"*@company.example\" };
        @id(\"admins\") permit (principal in Group::\"admin\", action, resource == App::\"notes\");";
    let partner = Partner::with(policies).await;
    let road = &partner.road;
    let ask = async |claims: Value| {
        let token = partner.token(&claims);
        road.ask(&road.visitor, "GET /closed", format!("Authorization: Bearer {token}\r\n")).await.statuses()
    };
    for email in [
        json!("attacker@evil.example@company.example"),
        json!("attacker@evil.example,a@company.example"),
        json!("\"a@b\"@company.example"),
        json!("a b@company.example"),
        json!("a\r\n@company.example"),
        json!("@company.example"),
        json!("a@company.example.evil.example"),
        json!("a@xcompany.example"),
        json!("a@company.example\u{0}"),
        json!(["a@company.example"]),
        json!({ "a": "a@company.example" }),
        json!(""),
        json!(null),
        json!(1),
    ] {
        assert_ne!(ask(json!({ "groups": [], "email": email, "email_verified": true })).await, [200], "{email}");
    }
    for verified in [json!(false), json!("true"), json!(1), json!(null), json!([true])] {
        assert_ne!(
            ask(json!({ "groups": [], "email": "a@company.example", "email_verified": verified })).await,
            [200],
            "{verified}"
        );
    }
    assert_ne!(ask(json!({ "groups": [], "email": "a@company.example" })).await, [200]);
    for groups in [
        json!("admin"),
        json!(""),
        json!([""]),
        json!([["admin"]]),
        json!([{ "name": "admin" }]),
        json!([1, "admin"]),
        json!([null, "admin"]),
        json!({ "admin": true }),
        json!(null),
        json!(true),
        json!(["Admin"]),
        json!(["admin "]),
        json!(["admin,x"]),
        json!(["administrators"]),
    ] {
        assert_ne!(ask(json!({ "groups": groups })).await, [200], "{groups}");
    }
    assert_ne!(ask(json!({})).await, [200], "no groups at all");
    road.silent("claims");
    assert_eq!(ask(json!({ "groups": [], "email": "a@Company.Example", "email_verified": true })).await, [200]);
    assert_eq!(ask(json!({ "groups": ["admin"] })).await, [200]);
}

/// Holds: 63.
#[tokio::test]
async fn what_a_provider_says_is_one_value_of_one_header() {
    let partner = Partner::with("@id(\"all\") permit (principal, action, resource);").await;
    let road = &partner.road;
    let ask = async |claims: Value| {
        let token = partner.token(&claims);
        let raw = road.ask(&road.visitor, "GET /closed", format!("Authorization: Bearer {token}\r\n")).await;
        (raw.statuses(), road.notes.take())
    };
    for evil in ["a\r\nX-Role: admin", "a\rX-Role: admin", "a\nX-Role: admin", "a\0b", "a\u{85}b", "a\u{7f}b", "\t"] {
        for claims in [json!({ "groups": ["staff", evil] }), json!({ "groups": [], "sub": evil })] {
            let (statuses, heard) = ask(claims).await;
            assert!(statuses[0] >= 400 && heard.heads.is_empty(), "{evil:?}: {statuses:?}");
        }
        let (_, heard) =
            ask(json!({ "groups": [], "name": evil, "email": format!("{evil}@a.example"), "email_verified": true })).await;
        assert!(
            !heard.has("\r\nx-role") && !heard.has("x-forwarded-email"),
            "{evil:?}: {}",
            String::from_utf8_lossy(&heard.bytes)
        );
    }
    let (statuses, heard) = ask(json!({ "groups": ["a,b", "x|y", "50%", "staff;admin", "zoë \u{1f600}"]})).await;
    assert_eq!(statuses, [200]);
    let told = String::from_utf8_lossy(&heard.bytes).into_owned();
    let value = |name: &str| told.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap().to_owned();
    assert_eq!(value("x-forwarded-user"), "partner/guest");
    assert_eq!(value("x-forwarded-groups"), "50%25,a%2Cb,staff;admin,x|y,zo%C3%AB %F0%9F%98%80");
    let assertion = value("sekisho-assertion");
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1).unwrap()).unwrap()).unwrap();
    assert_eq!(claims["groups"], json!(["50%", "a,b", "staff;admin", "x|y", "zoë \u{1f600}"]));
}
