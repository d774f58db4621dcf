//! A policy set as it is kept: [`PolicySet::canonical_text`] taken apart again.

use crate::load::Loaded;
use crate::problem::Problem;
use crate::schema::SCHEMA;
use crate::set::{App, Catalogue, PolicySet, Source};

/// Everything that a set was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptSet {
    /// The schema that shipped when it was live.
    pub schema: String,
    /// Additions to the schema.
    pub additions: Vec<Source>,
    /// The policies.
    pub policies: Vec<Source>,
    /// The apps. Which groups there were is not kept: nothing is decided by it.
    pub catalogue: Catalogue,
}

/// The text is not a policy set that was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a kept policy set: byte {at} is not where a part can begin or end")]
pub struct KeptSetError {
    /// Where it stops making sense, in bytes.
    pub at: usize,
}

impl KeptSet {
    /// Takes a [`PolicySet::canonical_text`] apart.
    ///
    /// # Errors
    /// [`KeptSetError`] with the first place that makes no sense.
    pub fn parse(text: &str) -> Result<Self, KeptSetError> {
        let mut reader = Reader { text, at: 0 };
        let mut kept =
            Self { schema: String::new(), additions: Vec::new(), policies: Vec::new(), catalogue: Catalogue::default() };
        while reader.at < text.len() {
            let begin = reader.at;
            let kind = reader.until(' ')?;
            let name = reader.counted()?;
            reader.expect(' ')?;
            let body = reader.counted()?;
            reader.expect('\n')?;
            match kind {
                "schema" => body.clone_into(&mut kept.schema),
                "addition" => kept.additions.push(Source::new(name, body)),
                "policies" => kept.policies.push(Source::new(name, body)),
                "app" => kept.catalogue.apps.push(App::new(name, tags(body).map_err(|_at| KeptSetError { at: begin })?)),
                "own" if name == "self_service" => kept.catalogue.own.self_service = true,
                "own" if name == "administration" => kept.catalogue.own.administration = true,
                _ => return Err(KeptSetError { at: begin }),
            }
        }
        Ok(kept)
    }

    /// Whether this build has the schema that the set was made with. If not, it may decide otherwise than it did.
    pub fn same_schema(&self) -> bool {
        self.schema == SCHEMA
    }

    /// Makes the set anew.
    ///
    /// # Errors
    /// Every problem; there is none unless the schema or the checks have changed since.
    pub fn load(&self) -> Result<Loaded, Vec<Problem>> {
        PolicySet::load(&self.policies, &self.additions, &self.catalogue)
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> Result<&'a str, KeptSetError> {
        self.text.get(self.at..).ok_or(self.stuck())
    }

    fn stuck(&self) -> KeptSetError {
        KeptSetError { at: self.at }
    }

    fn until(&mut self, end: char) -> Result<&'a str, KeptSetError> {
        let (found, _) = self.rest()?.split_once(end).ok_or(self.stuck())?;
        self.at += found.len() + end.len_utf8();
        Ok(found)
    }

    fn counted(&mut self) -> Result<&'a str, KeptSetError> {
        let begin = self.stuck();
        let length: usize = self.until(':')?.parse().map_err(|_not_a_number| begin)?;
        let found = self.rest()?.get(..length).ok_or(begin)?;
        self.at += length;
        Ok(found)
    }

    fn expect(&mut self, letter: char) -> Result<(), KeptSetError> {
        if !self.rest()?.starts_with(letter) {
            return Err(self.stuck());
        }
        self.at += letter.len_utf8();
        Ok(())
    }
}

fn tags(body: &str) -> Result<Vec<&str>, KeptSetError> {
    let mut reader = Reader { text: body, at: 0 };
    let mut tags = Vec::new();
    while reader.at < body.len() {
        tags.push(reader.counted()?);
        reader.expect(' ')?;
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> PolicySet {
        let policies = [
            Source::new("b.cedar", "@id(\"b\") permit (principal, action == Action::\"public\", resource == App::\"wiki\");\n"),
            Source::new("a.cedar", "// é 3:x \n@id(\"a\") forbid (principal, action, resource in Tag::\"a b:\");"),
        ];
        let catalogue = Catalogue {
            apps: vec![App::new("wiki", ["internal", "a b:"]), App::new("käse", [""; 0])],
            groups: None,
            ..Catalogue::default()
        };
        PolicySet::load(&policies, &[], &catalogue).unwrap().set
    }

    #[test]
    fn what_is_kept_makes_the_very_same_set() {
        let set = set();
        let kept = KeptSet::parse(set.canonical_text()).unwrap();
        assert!(kept.same_schema());
        assert_eq!(kept.policies.iter().map(|source| source.name.as_str()).collect::<Vec<_>>(), ["a.cedar", "b.cedar"]);
        assert_eq!(kept.catalogue.apps.len(), 2);
        assert_eq!(kept.load().unwrap().set.canonical_text(), set.canonical_text());
    }

    #[test]
    fn what_was_asked_of_the_gate_itself_is_kept() {
        let policies = [Source::new("a.cedar", "@id(\"a\") permit (principal, action == Action::\"enroll\", resource);")];
        let own = crate::OwnActions { self_service: true, administration: false };
        let catalogue = Catalogue { apps: vec![App::new::<&str>("wiki", [])], ..Catalogue::default() }.with_own(own);
        let set = PolicySet::load(&policies, &[], &catalogue).unwrap().set;
        let kept = KeptSet::parse(set.canonical_text()).unwrap();
        assert_eq!(kept.catalogue.own, own);
        assert_eq!(kept.load().unwrap().set.canonical_text(), set.canonical_text());
    }

    #[test]
    fn what_was_cut_or_changed_in_length_is_refused_with_its_place() {
        let text = set().canonical_text().to_owned();
        for end in (1..text.len()).filter(|end| text.is_char_boundary(*end)) {
            let cut = KeptSet::parse(text.get(..end).unwrap());
            // Cut between two parts it is a smaller set: the hash in its name tells.
            assert!(cut.is_err() || text.as_bytes()[end - 1] == b'\n', "{end}");
        }
        for text in ["x 1:a 1:b\n", "app 99999999999999999999:a 1:b\n", "app 1:é 1:b\n", "app 1:a 2:x \n", "app", "app 1:a 1:b"]
        {
            assert!(KeptSet::parse(text).is_err(), "{text}");
        }
    }
}
