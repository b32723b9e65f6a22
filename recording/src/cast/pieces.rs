/// Whole lines in pieces of at most `most` bytes, each of whole lines; a line that is longer is a piece by itself.
pub fn pieces(lines: &[u8], most: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = lines;
    std::iter::from_fn(move || {
        let (piece, later) = rest.split_at(first(rest, most));
        rest = later;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Length of the first piece.
fn first(lines: &[u8], most: usize) -> usize {
    if lines.len() <= most {
        return lines.len();
    }
    let within = lines[..most].iter().rposition(|&byte| byte == b'\n');
    let end = within.or_else(|| lines.iter().position(|&byte| byte == b'\n'));
    end.map_or(lines.len(), |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(lines: &str, most: usize) -> Vec<&str> {
        pieces(lines.as_bytes(), most).map(|piece| std::str::from_utf8(piece).unwrap()).collect()
    }

    #[test]
    fn lines_are_cut_between_lines_only() {
        assert_eq!(cut("", 4), Vec::<&str>::new());
        assert_eq!(cut("a\nb\nc\n", 6), ["a\nb\nc\n"]);
        assert_eq!(cut("a\nb\nc\n", 5), ["a\nb\n", "c\n"]);
        assert_eq!(cut("a\nlonger\nb\n", 3), ["a\n", "longer\n", "b\n"]);
        assert_eq!(cut("longer", 3), ["longer"]);
    }
}
