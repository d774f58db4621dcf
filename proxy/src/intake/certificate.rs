//! What certificates of other authorities say of devices.

use std::collections::BTreeMap;

use sekisho_certs::trust::ExtensionValue;
use serde_json::Value;

use super::report::Intake;
use crate::config::CertificateFact;
use crate::decide::{FactProblem, Kind, KnownFacts};
use crate::identify_device::CertificateSays;
use crate::inventory::FactValue;
use crate::store::{FactReport, FactSource, Reported, StoreError};

impl Intake {
    /// Keeps what the certificate says of its device, in place of what an earlier one said; whether something is different now. What
    /// it says was so when it was signed, and counts until it ends. To be called on the control runtime.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn hear(&self, says: CertificateSays, facts: &[CertificateFact], known: &KnownFacts) -> Result<bool, StoreError> {
        let mut said: BTreeMap<String, Option<FactValue>> = BTreeMap::new();
        for fact in facts {
            let Some(value) = says.extensions.get(&fact.oid) else { continue };
            match of_one(fact, value, known) {
                Ok(value) => drop(said.insert(fact.fact.clone(), Some(value))),
                Err(problem) => {
                    let (device, oid) = (says.device.as_str(), &*fact.oid);
                    tracing::warn!(device, oid, %problem, "an extension of a certificate is not what it should be");
                }
            }
        }
        let source = FactSource::certificate(&says.authority);
        let (device, at, ends_at) = (says.device, says.not_before, Some(says.not_after));
        let report = FactReport { device, at, ends_at, facts: said, whole: true };
        let done = self.registrar.report_facts(&source, vec![report]).await?;
        Ok(done.contains(&Reported::Changed))
    }
}

/// The value of the fact; texts may stand for flags and numbers, as programs that cannot write anything else write them.
fn of_one(fact: &CertificateFact, value: &ExtensionValue, known: &KnownFacts) -> Result<FactValue, FactProblem> {
    let kind = known.kind(&fact.fact)?;
    if let Some(wanted) = &fact.value {
        let text = match value {
            ExtensionValue::Text(text) => text.clone(),
            ExtensionValue::Number(number) => number.to_string(),
            ExtensionValue::Flag(flag) => flag.to_string(),
            ExtensionValue::Other => String::new(),
        };
        return known.value(&fact.fact, &Value::Bool(text == *wanted));
    }
    let value = match (kind, value) {
        (Kind::Text | Kind::Platform, ExtensionValue::Text(text)) => Value::from(text.as_str()),
        (_, ExtensionValue::Text(text)) => return known.written(&fact.fact, text),
        (_, ExtensionValue::Flag(flag)) => Value::Bool(*flag),
        (_, ExtensionValue::Number(number)) => Value::from(*number),
        (_, ExtensionValue::Other) => Value::Null,
    };
    known.value(&fact.fact, &value)
}

#[cfg(test)]
mod tests {
    use sekisho_policy::{Catalogue, PolicySet, Source};

    use super::*;

    #[test]
    fn an_extension_says_what_its_fact_is() {
        let addition = Source::new("p.cedarschema", "type Posture = { risk_score?: Long, os_version?: String };");
        let known = KnownFacts::of(&PolicySet::load(&[], &[addition], &Catalogue::default()).unwrap().set);
        let read = |fact: &str, wanted: Option<&str>, value: ExtensionValue| {
            let fact = CertificateFact { oid: "1.2.3".into(), fact: fact.into(), value: wanted.map(str::to_owned) };
            of_one(&fact, &value, &known).ok()
        };
        let text = |text: &str| ExtensionValue::Text(text.to_owned());
        assert_eq!(read("managed", None, ExtensionValue::Flag(true)), Some(FactValue::Flag(true)));
        assert_eq!(read("managed", None, text("true")), Some(FactValue::Flag(true)));
        assert_eq!(read("managed", None, text("corporate")), None);
        assert_eq!(read("managed", Some("corporate"), text("corporate")), Some(FactValue::Flag(true)));
        assert_eq!(read("managed", Some("corporate"), text("byod")), Some(FactValue::Flag(false)));
        assert_eq!(read("managed", Some("corporate"), ExtensionValue::Other), Some(FactValue::Flag(false)));
        assert_eq!(read("risk_score", None, ExtensionValue::Number(7)), Some(FactValue::Number(7)));
        assert_eq!(read("risk_score", Some("7"), ExtensionValue::Number(7)), None, "a number is not true");
        assert_eq!(read("os_version", None, text("14.2")), Some(FactValue::Text("14.2".into())));
        assert_eq!(read("platform", None, text("macos")), Some(FactValue::Text("macos".into())));
        assert_eq!(read("platform", None, text("plan9")), None);
        assert_eq!(read("disk", None, ExtensionValue::Flag(true)), None);
        assert_eq!(read("managed", None, ExtensionValue::Other), None);
    }
}
