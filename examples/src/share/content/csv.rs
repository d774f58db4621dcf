//! A list of invented customers: every row has the same length.

use std::fmt::Write as _;

use bytes::Bytes;

use super::Content;

/// Bytes of a row.
pub(in super::super) const ROW: u64 = 64;

/// `rows` rows, the first of which names the columns.
pub(in super::super) fn addresses(rows: u64) -> Content {
    let mut text = format!("{HEADING:<63}\n");
    for number in 1..rows {
        let firm = number * 7 % 129 + 1;
        let row = format!("{number:06},Customer {firm:03},person-{number:06}@customer-{firm:03}.example");
        let _ = writeln!(text, "{row:<63}");
    }
    Content::Whole(Bytes::from(text))
}

const HEADING: &str = "number,customer,e-mail";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_equally_long() {
        let Content::Whole(text) = addresses(3) else { panic!("made up") };
        let lengths: Vec<usize> = text.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::len).collect();
        assert_eq!(lengths, [64, 64, 64]);
    }
}
