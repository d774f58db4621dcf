//! Where the frames of a WebSocket begin and end (RFC 6455, section 5.2), to close it between two of them.

/// Follows one direction of a WebSocket.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Frames(At);

#[derive(Clone, Copy, Debug, Default)]
enum At {
    /// Between frames.
    #[default]
    Boundary,
    /// Before the second byte: the mask bit and a short length.
    Length,
    /// In the two or eight bytes of a longer length.
    Extended { left: u8, length: u64, masked: bool },
    /// In the four bytes of the masking key.
    Mask { left: u8, length: u64 },
    /// In the payload.
    Payload(u64),
}

impl Frames {
    /// `bytes` were written.
    pub(super) fn advance(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            bytes = match self.0 {
                At::Payload(left) => {
                    let now = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    self.0 = payload(left.saturating_sub(now as u64));
                    bytes.get(now..).unwrap_or_default()
                }
                header => {
                    self.0 = header_byte(header, *first);
                    rest
                }
            };
        }
    }

    /// Whether a frame of our own may come next.
    pub(super) fn at_boundary(self) -> bool {
        matches!(self.0, At::Boundary)
    }
}

fn header_byte(at: At, byte: u8) -> At {
    match at {
        At::Boundary => At::Length,
        At::Length => {
            let masked = byte & 0x80 != 0;
            match byte & 0x7f {
                126 => At::Extended { left: 2, length: 0, masked },
                127 => At::Extended { left: 8, length: 0, masked },
                length => after_length(u64::from(length), masked),
            }
        }
        At::Extended { left, length, masked } => {
            let length = length << 8 | u64::from(byte);
            if left > 1 { At::Extended { left: left - 1, length, masked } } else { after_length(length, masked) }
        }
        At::Mask { left, length } if left > 1 => At::Mask { left: left - 1, length },
        At::Mask { length, .. } => payload(length),
        At::Payload(left) => payload(left.saturating_sub(1)),
    }
}

fn after_length(length: u64, masked: bool) -> At {
    if masked { At::Mask { left: 4, length } } else { payload(length) }
}

fn payload(left: u64) -> At {
    if left == 0 { At::Boundary } else { At::Payload(left) }
}

/// A Close frame (RFC 6455, section 5.5.1). `mask` is for frames to an app: clients mask, servers do not (section 5.1).
pub(super) fn close(code: u16, reason: &str, mask: Option<[u8; 4]>) -> Vec<u8> {
    // Control frames carry at most 125 bytes.
    let reason = reason.as_bytes().get(..reason.len().min(123)).unwrap_or_default();
    let payload = code.to_be_bytes().into_iter().chain(reason.iter().copied());
    let length = u8::try_from(reason.len() + 2).unwrap_or(125);
    let mut frame = vec![0x88, length | if mask.is_some() { 0x80 } else { 0 }];
    match mask {
        None => frame.extend(payload),
        Some(key) => {
            frame.extend(key);
            frame.extend(payload.zip(key.into_iter().cycle()).map(|(byte, key)| byte ^ key));
        }
    }
    frame
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(length: usize, masked: bool) -> Vec<u8> {
        let bit = if masked { 0x80 } else { 0 };
        let mut frame = vec![0x82];
        match length {
            0..=125 => frame.push(bit | u8::try_from(length).unwrap()),
            126..=65535 => {
                frame.push(bit | 126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(bit | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        if masked {
            frame.extend([1, 2, 3, 4]);
        }
        frame.resize(frame.len() + length, 0x88);
        frame
    }

    proptest! {
        #[test]
        fn boundaries_are_found_however_the_bytes_come(
            lengths in proptest::collection::vec((0_usize..300, any::<bool>()), 1..6),
            long in any::<bool>(),
            piece in 1_usize..64,
        ) {
            let mut frames = Frames::default();
            let mut all: Vec<Vec<u8>> = lengths.into_iter().map(|(length, masked)| frame(length, masked)).collect();
            if long {
                all.push(frame(70_000, true));
            }
            for frame in all {
                let (last, before) = frame.split_last().unwrap();
                for bytes in before.chunks(piece) {
                    frames.advance(bytes);
                    prop_assert!(!frames.at_boundary());
                }
                frames.advance(&[*last]);
                prop_assert!(frames.at_boundary());
            }
        }
    }

    #[test]
    fn a_close_frame_is_one_frame() {
        for mask in [None, Some([9, 8, 7, 6])] {
            let frame = close(1008, "access ended", mask);
            let mut frames = Frames::default();
            frames.advance(&frame[..frame.len() - 1]);
            assert!(!frames.at_boundary());
            frames.advance(&frame[frame.len() - 1..]);
            assert!(frames.at_boundary());
        }
        assert_eq!(close(1008, "no", None), [0x88, 4, 0x03, 0xf0, b'n', b'o']);
    }
}
