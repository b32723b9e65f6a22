//! A pax header's records: `25 path=a/long/name\n`, the length being the record's own, in bytes.
//! POSIX.1-2017, pax, "pax Extended Header".

/// What a pax header changes of the entry behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    /// The contents are GNU's compact form of a file with holes.
    pub(super) sparse: bool,
}

impl Pax {
    /// Reads the records; `None` if they are not what they say.
    pub(super) fn parse(mut records: &[u8]) -> Option<Self> {
        let mut pax = Self::default();
        while !records.is_empty() {
            let blank = records.iter().take(20).position(|&byte| byte == b' ')?;
            let length: usize = std::str::from_utf8(&records[..blank]).ok()?.parse().ok()?;
            let record = records.get(blank + 1..length)?.strip_suffix(b"\n")?;
            let equals = record.iter().position(|&byte| byte == b'=')?;
            pax.take(&record[..equals], &record[equals + 1..])?;
            records = &records[length..];
        }
        Some(pax)
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key {
            b"path" if !self.sparse || self.path.is_none() => self.path = Some(value.to_vec()),
            b"GNU.sparse.name" => (self.path, self.sparse) = (Some(value.to_vec()), true),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(std::str::from_utf8(value).ok()?.parse::<i64>().ok()?.try_into().ok()?),
            _ if key.starts_with(b"GNU.sparse.") => self.sparse = true,
            _ => {}
        }
        Some(())
    }

    /// Fills in what a global header said and this one does not say.
    pub(super) fn or(self, global: &Self) -> Self {
        Self {
            path: self.path.or_else(|| global.path.clone()),
            link: self.link.or_else(|| global.link.clone()),
            size: self.size.or(global.size),
            sparse: self.sparse,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_count_their_own_length() {
        let pax = Pax::parse(b"12 path=a/b\n20 linkpath=c=d e\n\n9 size=7\n");
        assert_eq!(pax, None, "the second is a byte shorter than it says");
        let pax = Pax::parse(b"12 path=a/b\n18 linkpath=c=d e\n9 size=7\n6 a=b\n").expect("records");
        assert_eq!((pax.path, pax.link, pax.size), (Some(b"a/b".to_vec()), Some(b"c=d e".to_vec()), Some(7)));
        for broken in ["x", "5", "0 a=b\n", "99999999999999999999 a=b\n", "6 ab=\x00", "4 =\n", "7 size=\n", "-6 a=b\n"]
        {
            let parsed = Pax::parse(broken.as_bytes());
            assert!(parsed.is_none() || parsed == Some(Pax::default()), "{broken:?}");
        }
    }
}
