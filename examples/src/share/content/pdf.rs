//! A real PDF of one page, made as large as is wanted by a comment before its cross-reference table.

use std::fmt::Write as _;

use bytes::Bytes;

use super::Content;

/// One page that names the file. Sizes too small for that give an incomplete, larger file.
pub(in super::super) fn one_page(path: &str, size: u64) -> Content {
    let plain: String = path.chars().filter(|letter| letter.is_ascii_alphanumeric() || "-./ ".contains(*letter)).collect();
    let text =
        format!("BT /F1 24 Tf 72 740 Td ({plain}) Tj 0 -36 Td /F1 12 Tf (An invented document of the demonstration.) Tj ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{text}\nendstream", text.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut file = String::from("%PDF-1.4\n");
    let mut table = String::from("xref\n0 6\n0000000000 65535 f \n");
    for (number, object) in (1..).zip(&objects) {
        let _ = writeln!(table, "{:010} 00000 n ", file.len());
        let _ = write!(file, "{number} 0 obj\n{object}\nendobj\n");
    }
    let end = |at: usize| format!("{table}trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n{at}\n%%EOF\n");
    let wanted = usize::try_from(size).unwrap_or(0);
    // The place of the table is written with as many digits as the whole file's length has, give or take none for these sizes.
    let padding = wanted.saturating_sub(file.len() + end(wanted).len() + 2);
    let _ = writeln!(file, "%{}", "-".repeat(padding));
    let at = file.len();
    file.push_str(&end(at));
    Content::Whole(Bytes::from(file))
}
