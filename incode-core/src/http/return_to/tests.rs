use super::*;

#[test]
fn a_plain_path_is_local_however_it_is_read() {
    // Every text of up to six characters of those that can mean something: enough for `/.//x`, `/%2F`, `//x`, `/a/..`.
    let alphabet = ['/', '.', '\\', '%', '2', 'F', '?', ':'];
    let mut texts = vec![String::new()];
    let (mut plain, mut local) = (0, 0);
    for _ in 0..6 {
        texts = texts.iter().flat_map(|text| alphabet.map(|next| format!("{text}{next}"))).collect();
        for text in texts.iter().filter(|text| text.starts_with('/')) {
            plain += u32::from(is_plain(text));
            local += u32::from(is_local(text));
            assert!(!is_plain(text) || is_local_however_read(text), "{text}");
        }
    }
    assert!(plain > 1000 && local > plain, "{plain} of {local}");
}

#[test]
fn usual_ways_back_are_plain_and_strange_ones_are_not() {
    for usual in ["/", "/vault", "/account/orders.html?page=2&sort=-date", "/a-b_c~d/e.f"] {
        assert!(is_plain(usual) && is_local_however_read(usual), "{usual}");
    }
    for strange in
        ["", "vault", "//evil", "/.", "/a/../b", "/a//b", "/%2Fevil", "/\\evil", "/a b", "/a#b", "/a:b", "/\u{e9}"]
    {
        assert!(!is_plain(strange), "{strange}");
    }
}
