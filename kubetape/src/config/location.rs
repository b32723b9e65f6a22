use toml::de::{DeTable, DeValue};

/// Where a key is in the file, for errors that are found after reading: `FILE, line N: KEY`. For a key that the file does not
/// have, the line is that of its nearest table.
pub fn of(file: &std::path::Path, text: &str, key: &str) -> String {
    match offset(text, key) {
        Some(offset) => format!("{}, line {}: {key}", file.display(), text[..offset].lines().count().max(1)),
        None => format!("{}: {key}", file.display()),
    }
}

/// Offset of the last part of the dotted key that is in the file. Numbers are indexes into a list.
fn offset(text: &str, key: &str) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut table = Some(document.get_ref());
    let mut list = None;
    let mut found = None;
    for name in key.split('.') {
        let next = match (list, table) {
            (Some(items), _) => {
                let items: &toml::de::DeArray<'_> = items;
                let item = items.get(name.parse::<usize>().ok()?);
                item.map(|item| (item.span(), item))
            }
            (None, Some(table)) => entry(table, name),
            (None, None) => None,
        };
        let Some((span, value)) = next else { break };
        found = Some(span.end.min(text.len()));
        table = value.get_ref().as_table();
        list = value.get_ref().as_array();
    }
    found
}

fn entry<'a>(table: &'a DeTable<'a>, name: &str) -> Option<(std::ops::Range<usize>, &'a toml::Spanned<DeValue<'a>>)> {
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
    Some((key.span(), value))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn a_key_is_found_or_the_table_that_it_is_missing_in() {
        let text = "# first\n[storage]\nkind = \"s3\"\n[storage.s3]\n\n[policy]\n[[policy.rules]]\nname = \"a\"\n\n[[policy.rules]]\nname = \"b\"\n";
        for (key, at) in [
            ("storage.kind", "x.toml, line 3: storage.kind"),
            ("storage.s3.bucket", "x.toml, line 4: storage.s3.bucket"),
            ("policy.rules.1.name", "x.toml, line 11: policy.rules.1.name"),
            ("policy.rules.1.users", "x.toml, line 10: policy.rules.1.users"),
            ("web.listen", "x.toml: web.listen"),
        ] {
            assert_eq!(super::of(Path::new("x.toml"), text, key), at);
        }
    }
}
