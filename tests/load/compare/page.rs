//! Where results go: shown, and put into a page between their marks.

use std::path::{Path, PathBuf};

/// A page, if one is to be written.
pub(crate) struct Page {
    pub(crate) path: Option<PathBuf>,
}

impl Page {
    pub(crate) fn open(path: Option<&Path>) -> Self {
        Self { path: path.map(Path::to_owned) }
    }

    /// Shows `text`, and puts it between `<!-- measured: name -->` and `<!-- end -->`. A page without those marks is left alone.
    pub(crate) fn put(&mut self, name: &str, text: &str) {
        println!("{text}");
        let Some(path) = &self.path else { return };
        let page = std::fs::read_to_string(path).unwrap();
        let (begin, end) = (format!("<!-- measured: {name} -->\n"), "<!-- end -->");
        let parts = page.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
        let Some((before, after)) = parts else { return eprintln!("{}: no marks for {name}", path.display()) };
        std::fs::write(path, format!("{before}{begin}\n{}\n\n{end}{after}", text.trim_end())).unwrap();
    }
}
