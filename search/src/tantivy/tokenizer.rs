//! The analyzer as Tantivy's tokenizer.

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use crate::analyzer::{TextToken, tokenize};

/// The tokenizer's name in the schema of every index that was ever written.
pub(super) const NAME: &str = "pieces";

#[derive(Clone, Copy, Debug)]
struct TextTokenizer;

struct TextTokenStream {
    tokens: std::vec::IntoIter<TextToken>,
    token: Token,
}

impl Tokenizer for TextTokenizer {
    type TokenStream<'a> = TextTokenStream;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> TextTokenStream {
        TextTokenStream { tokens: tokenize(text).into_iter(), token: Token::default() }
    }
}

impl TokenStream for TextTokenStream {
    fn advance(&mut self) -> bool {
        let Some(token) = self.tokens.next() else { return false };
        self.token = Token {
            offset_from: token.range.start,
            offset_to: token.range.end,
            position: token.position,
            text: token.text,
            position_length: 1,
        };
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

/// Makes the tokenizer known to an index.
pub(super) fn register(index: &tantivy::Index) {
    index.tokenizers().register(NAME, TextTokenizer);
}
