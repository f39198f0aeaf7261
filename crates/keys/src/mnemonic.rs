//! English BIP39 mnemonics. The seed is derived in Substrate's way, from the entropy instead of the words; `sp-core`
//! does that.

use bip39::{Error, Language, Mnemonic};
use zeroize::Zeroizing;

use crate::error::KeyError;

/// A fresh mnemonic of 12, 15, 18, 21 or 24 words, from the system's random source.
pub(crate) fn generate(word_count: usize) -> Result<Zeroizing<String>, KeyError> {
    Mnemonic::generate_in(Language::English, word_count).map(text).map_err(mnemonic_error)
}

/// Checks words and checksum. The result has single spaces.
pub(crate) fn parse(phrase: &str) -> Result<Zeroizing<String>, KeyError> {
    Mnemonic::parse_in_normalized(Language::English, phrase).map(text).map_err(mnemonic_error)
}

fn text(mnemonic: Mnemonic) -> Zeroizing<String> {
    Zeroizing::new(mnemonic.to_string())
}

fn mnemonic_error(error: Error) -> KeyError {
    match error {
        Error::BadWordCount(found) => KeyError::MnemonicWordCount { found },
        Error::UnknownWord(index) => KeyError::MnemonicWord { position: index.saturating_add(1) },
        // The language is fixed and the entropy length follows from the word count, so only the checksum is left.
        Error::InvalidChecksum | Error::BadEntropyBitCount(_) | Error::AmbiguousLanguages(_) => {
            KeyError::MnemonicChecksum
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHRASE: &str = "legal winner thank year wave sausage worth useful legal winner thank yellow";

    #[test]
    fn generated_mnemonics_parse_and_differ() {
        for word_count in [12, 15, 18, 21, 24] {
            let phrase = generate(word_count).unwrap();
            assert_eq!(phrase.split(' ').count(), word_count);
            assert_eq!(parse(&phrase).unwrap(), phrase);
            assert_ne!(generate(word_count).unwrap(), phrase);
        }
        for word_count in [0, 11, 13, 27, usize::MAX] {
            assert_eq!(generate(word_count), Err(KeyError::MnemonicWordCount { found: word_count }));
        }
    }

    #[test]
    fn spaces_are_normalised() {
        assert_eq!(*parse(&format!("  {}\n", PHRASE.replace(' ', "  \t"))).unwrap(), PHRASE);
    }

    #[test]
    fn mistakes_are_told_apart() {
        assert_eq!(parse(""), Err(KeyError::MnemonicWordCount { found: 0 }));
        assert_eq!(parse("legal winner"), Err(KeyError::MnemonicWordCount { found: 2 }));
        assert_eq!(parse(&PHRASE.replace("year", "jahr")), Err(KeyError::MnemonicWord { position: 4 }));
        assert_eq!(parse(&PHRASE.replace("yellow", "winner")), Err(KeyError::MnemonicChecksum));
    }

    #[test]
    fn errors_do_not_echo_words() {
        let error = parse(&PHRASE.replace("year", "mistyped")).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("mistyped"));
    }
}
