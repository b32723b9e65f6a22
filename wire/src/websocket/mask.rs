/// Unmasks a frame's payload (RFC 6455, section 5.3) piece by piece.
#[derive(Clone, Copy)]
pub(super) struct Unmasker {
    /// Rotated so that its first byte is the next one to use.
    key: [u8; 4],
}

impl Unmasker {
    pub(super) fn new(key: [u8; 4]) -> Self {
        Unmasker { key }
    }

    /// Replaces `out` by the unmasked `payload`.
    pub(super) fn apply(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(payload);
        let key = u32::from_ne_bytes(self.key);
        let word = u64::from(key) << 32 | u64::from(key);
        let (words, rest) = out.as_chunks_mut();
        for chunk in words {
            *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
        }
        for (byte, key) in rest.iter_mut().zip(self.key.iter().cycle()) {
            *byte ^= key;
        }
        self.key.rotate_left(payload.len() % 4);
    }
}

#[cfg(test)]
mod tests {
    use super::Unmasker;

    #[test]
    fn a_payload_unmasks_alike_at_every_split() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let plain: Vec<u8> = (0..100).collect();
        let masked: Vec<u8> = plain.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        for split in 0..=masked.len() {
            let (mut mask, mut out, mut all) = (Unmasker::new(key), Vec::new(), Vec::new());
            for part in [&masked[..split], &masked[split..]] {
                mask.apply(part, &mut out);
                all.extend_from_slice(&out);
            }
            assert_eq!(all, plain, "split at {split}");
        }
    }
}
