//! What is said of the state of devices.

use std::sync::OnceLock;
use std::time::Duration;

use sekisho::clock::Timestamp;
use sekisho::config::{DeviceNaming, MaySet, PostureSource, QueryFact, ReportFormat};
use sekisho::decide::{Kind, KnownFacts};
use sekisho::intake::fuzzing::taken;
use sekisho::inventory::FactValue;
use sekisho::secret::Digest;
use sekisho_certs::files::Readers;
use sekisho_policy::{Catalogue, PolicySet, Source};

fn known() -> &'static KnownFacts {
    static KNOWN: OnceLock<KnownFacts> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let addition = Source::new("p.cedarschema", "type Posture = { risk_score?: Long, os_version?: String };");
        KnownFacts::of(&PolicySet::load(&[], &[addition], &Catalogue::default()).unwrap().set)
    })
}

fn source(format: ReportFormat) -> PostureSource {
    PostureSource {
        name: "mdm".into(),
        token: Digest::of(b"token"),
        readers: Readers::Owner,
        format,
        devices: DeviceNaming::Id,
        may_set: MaySet { posture: true, managed: false, platform: false },
        max_age: AGE,
    }
}

/// Whatever is taken of a push is a fact that policies can ask for, is what that fact is, is the source's to say, is of no time to
/// come, and ends.
pub(crate) fn push(bytes: &[u8]) {
    let fact = |query: &str, column: Option<&str>, fact: &str| QueryFact {
        query: query.to_owned(),
        column: column.map(str::to_owned),
        fact: fact.to_owned(),
    };
    let facts = vec![
        fact("disk", Some("encrypted"), "disk_encrypted"),
        fact("disk", Some("risk"), "risk_score"),
        fact("alf", None, "firewall"),
    ];
    for format in [ReportFormat::Sekisho, ReportFormat::Osquery(facts)] {
        for (_device, [at, ends_at], facts) in taken(bytes, &source(format), known(), NOW).into_iter().flatten() {
            assert!(at <= NOW && ends_at > NOW && ends_at == at.plus(AGE));
            assert!(!facts.is_empty());
            for (name, value) in facts {
                let kind = known().kind(&name).expect("a fact that there is");
                assert!(!["managed", "platform"].contains(&name.as_str()), "{name} is not the source's to say");
                match value {
                    None => {}
                    Some(FactValue::Flag(_)) => assert_eq!(kind, Kind::Flag),
                    Some(FactValue::Number(_)) => assert_eq!(kind, Kind::Number),
                    Some(FactValue::Text(text)) => {
                        assert_eq!(kind, Kind::Text);
                        assert!((1..=128).contains(&text.len()) && !text.contains(char::is_control));
                    }
                }
            }
        }
    }
}

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const AGE: Duration = Duration::from_secs(3600);
