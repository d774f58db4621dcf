//! The first useful form of an HTML page, as a script fills it in.

use std::collections::BTreeMap;

/// A form with the fields that a browser would send untouched.
#[derive(Debug)]
pub(crate) struct Form {
    /// As written; empty: the page itself.
    pub(crate) action: String,
    pub(crate) fields: BTreeMap<String, String>,
}

impl Form {
    /// The form with a password field, or else the first one.
    pub(crate) fn find(page: &str) -> Option<Self> {
        let forms: Vec<&str> = page.split("<form").skip(1).filter_map(|rest| rest.split("</form").next()).collect();
        let form = forms.iter().find(|form| form.contains("password")).or(forms.first())?;
        let action = attribute(form.split('>').next()?, "action").unwrap_or_default();
        let mut fields = BTreeMap::new();
        for tag in form.split('<').skip(1).filter(|tag| tag.starts_with("input") || tag.starts_with("button")) {
            let tag = tag.split('>').next().unwrap_or_default();
            let kind = attribute(tag, "type").unwrap_or_default();
            if let Some(name) = attribute(tag, "name").filter(|_| kind != "checkbox") {
                fields.entry(name).or_insert(attribute(tag, "value").unwrap_or_default());
            }
        }
        Some(Self { action, fields })
    }

    /// Fills in a field if it is there.
    pub(crate) fn fill(&mut self, name: &str, value: &str) {
        if let Some(field) = self.fields.get_mut(name) {
            value.clone_into(field);
        }
    }

    pub(crate) fn encoded(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.fields).finish()
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let rest = tag.split_once(&format!(" {name}=")).or_else(|| tag.split_once(&format!("\n{name}=")))?.1;
    let quote = rest.chars().next()?;
    let value = match quote {
        '"' | '\'' => rest.split(quote).nth(1)?,
        _ => rest.split([' ', '>']).next()?,
    };
    Some(plain(value))
}

/// Without entities.
pub(crate) fn plain(value: &str) -> String {
    let entities =
        [("&#34;", "\""), ("&quot;", "\""), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&#38;", "&"), ("&amp;", "&")];
    entities.iter().fold(value.to_owned(), |text, (entity, letter)| text.replace(entity, letter))
}
