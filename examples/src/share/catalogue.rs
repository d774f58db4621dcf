//! Which files there are. Nothing is on a disk.

use super::content::{Content, csv, pdf};

/// A project folder.
#[derive(Clone, Copy, Debug)]
pub(super) struct Folder {
    /// Its name in addresses.
    pub(super) name: &'static str,
    /// What is in it.
    pub(super) about: &'static str,
    /// Names and sizes of its files.
    pub(super) files: &'static [(&'static str, u64)],
}

/// A file to send.
#[derive(Clone, Debug)]
pub(super) struct File {
    /// Its name.
    pub(super) name: String,
    /// Its media type.
    pub(super) kind: &'static str,
    /// What it says.
    pub(super) content: Content,
}

/// All folders.
pub(super) const FOLDERS: &[Folder] = &[
    Folder {
        name: "plans",
        about: "Harbour bridge: plans and reports",
        files: &[("report-001.pdf", 24 * KIB), ("report-002.pdf", 31 * KIB), ("site-model.ifc", 64 * MIB)],
    },
    Folder {
        name: "tenders",
        about: "Offers under seal until the opening",
        files: &[("offer-north.pdf", 18 * KIB), ("offer-south.pdf", 19 * KIB)],
    },
    Folder { name: "customers", about: "Who works with us", files: &[("addresses.csv", ADDRESSES * csv::ROW)] },
    Folder {
        name: "archive",
        about: "Closed projects",
        files: &[("survey-photos.zip", 256 * MIB), ("everything.zip", GIB), ("small.bin", 64 * KIB)],
    },
];

/// The folder of this name.
pub(super) fn folder(name: &str) -> Option<&'static Folder> {
    FOLDERS.iter().find(|folder| folder.name == name)
}

/// The file of this name in this folder. The folder `sized` has a file for every size up to 1 GiB: `sized/10MiB.bin`.
pub(super) fn find(folder_name: &str, name: &str) -> Option<File> {
    let size = match folder_name {
        "sized" => size_in(name.strip_suffix(".bin")?)?,
        _ => folder(folder_name)?.files.iter().find(|(listed, _)| *listed == name)?.1,
    };
    let path = format!("{folder_name}/{name}");
    let (kind, content) = match name.rsplit_once('.')?.1 {
        "pdf" => ("application/pdf", pdf::one_page(&path, size)),
        "csv" => ("text/csv; charset=utf-8", csv::addresses(size / csv::ROW)),
        "zip" => ("application/zip", Content::made_up(&path, size)),
        _ => ("application/octet-stream", Content::made_up(&path, size)),
    };
    Some(File { name: name.to_owned(), kind, content })
}

/// `512`, `10KiB`, `1GiB`: at most 1 GiB.
fn size_in(text: &str) -> Option<u64> {
    let units = [("KiB", KIB), ("MiB", MIB), ("GiB", GIB)];
    let (digits, unit) = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor))).unwrap_or((text, 1));
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let size = digits.parse::<u64>().ok().filter(|_| plain)?.checked_mul(unit)?;
    (size <= GIB).then_some(size)
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const ADDRESSES: u64 = 76_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_file_has_the_size_that_the_list_says() {
        for folder in FOLDERS {
            for (name, size) in folder.files {
                assert_eq!(find(folder.name, name).map(|file| file.content.len()), Some(*size), "{}/{name}", folder.name);
            }
        }
    }

    #[test]
    fn sizes_up_to_one_gibibyte() {
        for (text, size) in
            [("0", Some(0)), ("10KiB", Some(10_240)), ("1GiB", Some(GIB)), ("2GiB", None), ("+1", None), ("", None)]
        {
            assert_eq!(size_in(text), size, "{text}");
        }
    }
}
