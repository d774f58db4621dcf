//! A house with hosts that are strict and hosts that are lax, each with a certificate of its own, and two authorities for devices.

use super::authority::{Authority, Identity};
use super::gate::{House, Plan};
use super::hand::{Attempt, Hand, Over};

/// `public.test` and `app.test` are for anybody; `admin.test` and `x.wild.test` for devices of authority `a`, `admin2.test` for those of
/// authority `b`.
pub(crate) struct Town {
    pub(crate) house: House,
    pub(crate) a: Authority,
    pub(crate) b: Authority,
    /// What names Alice, wherever it is shown.
    token: String,
}

impl Town {
    pub(crate) async fn open() -> Self {
        Self::with(|plan| plan).await
    }

    /// With changes to its plan.
    pub(crate) async fn with(change: impl FnOnce(Plan) -> Plan) -> Self {
        let (a, b) = (Authority::new("Authority A"), Authority::new("Authority B"));
        let shown = Authority::new("Whoever certifies hosts");
        let mut plan = House::plan().policies("@id(\"everybody\") permit (principal, action, resource);");
        for (name, host, lines) in [
            ("public", "public.test", "public = [\"/**\"]"),
            ("app", "app.test", "public = [\"/**\"]"),
            ("admin", "admin.test", "device_authorities = [\"a\"]"),
            ("admin2", "admin2.test", "device_authorities = [\"b\"]"),
            ("wild", "x.wild.test", "device_authorities = [\"a\"]"),
        ] {
            let identity = shown.server([if name == "wild" { "*.wild.test" } else { host }]);
            plan = plan
                .app_at(name, host, &format!("upstream = [\"{{wiki}}\"]\n{lines}"))
                .file(&format!("{name}.pem"), &identity.chain)
                .private_file(&format!("{name}.key"), &identity.key)
                .set("end", &format!("[[server_certificate]]\nchain = \"{name}.pem\"\nkey = \"{name}.key\""));
        }
        for (name, authority) in [("a", &a), ("b", &b)] {
            plan = plan
                .file(&format!("roots-{name}.pem"), &authority.pem())
                .file(&format!("{name}.crl"), &authority.withdrawn(&[WITHDRAWN], 10))
                .set("end", &authority_lines(name));
        }
        let house = change(plan).open().await;
        let token = format!("Bearer {}", house.idp.token("alice", None));
        Self { house, a, b, token }
    }

    /// A GET that lacks nothing but what is tried.
    pub(crate) async fn get(&self, hand: &Hand, sni: Option<&str>, over: Over, host: &str, path: &str) -> Attempt {
        hand.get(sni, over, host, path, &self.credentials()).await
    }

    pub(crate) fn credentials(&self) -> [(&str, &str); 1] {
        [("authorization", &self.token)]
    }

    /// A device of authority `a` that may pass.
    pub(crate) fn good(&self) -> Identity {
        self.a.device("urn:town:device/a1", 1, 30)
    }

    /// Shows `identity` at `admin.test`, and says what came of it.
    pub(crate) async fn admits(&self, identity: Option<&Identity>, path: &str) -> Attempt {
        let hand = Hand::new(self.house.port(), &rustls::version::TLS13);
        hand.show(identity);
        self.get(&hand, Some("admin.test"), Over::Http1, "admin.test", path).await
    }
}

/// The section of an authority whose files are named after it.
pub(crate) fn authority_lines(name: &str) -> String {
    format!(
        "[[device_authority]]\nname = \"{name}\"\nroots = \"roots-{name}.pem\"\ncrl = \"{name}.crl\"\ndevice_id = \"san-uri\"\nadmit = \"any\""
    )
}

/// The serial number that is on both lists.
pub(crate) const WITHDRAWN: u64 = 666;
