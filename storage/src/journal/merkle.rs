//! A Merkle tree over the lines of a journal object, so that one line can be shown and proven without the others.
//!
//! The tree is that of [RFC 9162](https://www.rfc-editor.org/rfc/rfc9162), section 2.1, over the lines' digests: the digest of a
//! line stands for it here as it does in the chain.

use sha2::{Digest, Sha256};

/// A SHA-256 value.
pub type Hash = [u8; 32];

/// Most hashes of a path: a tree of so many levels has more leaves than an object can have lines.
const DEEPEST: usize = 32;

/// The root of the tree over lines' digests, in their order. Of no lines it is the digest of nothing.
pub fn root(lines: &[Hash]) -> Hash {
    match lines {
        [] => Sha256::digest([]).into(),
        [line] => leaf(line),
        lines => {
            let (left, right) = lines.split_at(split(lines.len()));
            node(&root(left), &root(right))
        }
    }
}

/// What leads from the line at `index` to the root: the hashes beside its way, from the leaf upwards. Empty if there is no such
/// line.
pub fn path(lines: &[Hash], index: usize) -> Vec<Hash> {
    let mut found = Vec::new();
    let (mut lines, mut index) = (lines, index);
    if index < lines.len() {
        while lines.len() > 1 {
            let (left, right) = lines.split_at(split(lines.len()));
            if index < left.len() {
                found.push(root(right));
                lines = left;
            } else {
                found.push(root(left));
                (lines, index) = (right, index - left.len());
            }
        }
    }
    found.reverse();
    found
}

/// The root to which `path` leads from the digest of line `index` of `count`. Returns `None` if the path is not of the length
/// that such a place has.
pub fn root_of(line: &Hash, index: u64, count: u64, path: &[Hash]) -> Option<Hash> {
    if index >= count || path.len() > DEEPEST {
        return None;
    }
    // RFC 9162, section 2.1.3.2.
    let (mut at, mut last) = (index, count - 1);
    let mut root = leaf(line);
    for beside in path {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            root = node(beside, &root);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            root = node(&root, beside);
        }
        at >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(root)
}

/// The largest power of two below `count`, which is at least 2.
fn split(count: usize) -> usize {
    count.next_power_of_two() / 2
}

fn leaf(line: &Hash) -> Hash {
    Sha256::new().chain_update([0]).chain_update(line).finalize().into()
}

fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: u8) -> Vec<Hash> {
        (0..count).map(|number| Sha256::digest([number]).into()).collect()
    }

    #[test]
    fn every_line_of_trees_of_every_size_leads_to_the_root_and_no_other_does() {
        for count in 1..=33 {
            let lines = lines(count);
            let (root, count) = (root(&lines), u64::from(count));
            for index in 0..count {
                let path = path(&lines, index as usize);
                let line = lines[index as usize];
                assert_eq!(root_of(&line, index, count, &path), Some(root), "{index} of {count}");
                for other in (0..count).filter(|other| *other != index) {
                    assert_ne!(root_of(&line, other, count, &path), Some(root), "{index} as {other} of {count}");
                    assert_ne!(root_of(&lines[other as usize], index, count, &path), Some(root));
                }
                let mut longer = path.clone();
                longer.push([0; 32]);
                assert_eq!(root_of(&line, index, count, &longer), None);
                if let Some((_, shorter)) = path.split_last() {
                    assert_eq!(root_of(&line, index, count, shorter), None);
                }
                for at in 0..path.len() {
                    let mut flipped = path.clone();
                    flipped[at][31] ^= 1;
                    assert_ne!(root_of(&line, index, count, &flipped), Some(root));
                }
            }
            assert_eq!(root_of(&lines[0], count, count, &[]), None);
        }
    }

    /// By hand, from the RFC's definition.
    #[test]
    fn the_tree_of_three_is_the_one_of_the_standard() {
        let [a, b, c] = [lines(3)[0], lines(3)[1], lines(3)[2]];
        let leaf = |line: Hash| -> Hash { Sha256::digest([&[0][..], &line].concat()).into() };
        let node = |left: Hash, right: Hash| -> Hash { Sha256::digest([&[1][..], &left, &right].concat()).into() };
        assert_eq!(root(&[a, b, c]), node(node(leaf(a), leaf(b)), leaf(c)));
        assert_eq!(path(&[a, b, c], 2), [node(leaf(a), leaf(b))]);
        assert_eq!(path(&[a, b, c], 3), [[0; 32]; 0]);
        assert_eq!(root(&[]), Hash::from(Sha256::digest([])));
    }
}
