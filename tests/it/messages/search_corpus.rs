//! Messages in many languages, and queries that find each: the same whether they are indexed or
//! not, and on both databases.

use super::search::{find, is_indexed};
use crate::harness::{TestHub, User, both_databases};
use serde_json::json;

/// The messages, and the queries that find each; messages count from 1.
const CORPUS: [&str; 24] = [
    "Hello World, this is the first message",
    "hello again — the WORLD is round",
    "In New York I ate a bagel; new shoes from York",
    "Die Straße ist groß und über der Brücke",
    "STRASSE GROSS UEBER",
    "À l'école, le garçon a mangé un œuf à Noël",
    "Привет, как дела? Ёлка зелёная",
    "приветствую всех из Москвы",
    "我在东京大学学习中文",
    "今天天气很好,我们去公园吧",
    "東京タワーへ行きました。とても楽しかったです",
    "안녕하세요, 대한민국의 학교에서 만나요",
    "สวัสดีครับ อาหารไทยอร่อยมาก",
    "مَرْحَبًا بكم في المدينة الجديدة يا أحمد",
    "gut gemacht 👍🏽🎉",
    "thumbs 👍 and a ❤️ for 👨‍👩‍👧",
    "fn parse_header(bytes: &[u8]) -> Result<(), Error> { todo!() }",
    "see https://example.com/docs/search?q=rust&page=2#top",
    "mail me at ann.smith@example.org",
    "version 1.95.0 costs €20",
    "can't you do it? I don’t know",
    "co\u{ad}operate and re\u{200b}connect",
    "ＦＵＬＬ ｗｉｄｔｈ ｶﾞｷﾞ ﬁne",
    "!!! ??? …",
];

const ANSWERS: &[(&str, &[i64])] = &[
    ("hello", &[2, 1]),
    ("HELLO", &[2, 1]),
    ("hel wor", &[2, 1]),
    ("hello first", &[1]),
    ("ello", &[]),
    ("hello moon", &[]),
    ("new york", &[3]),
    ("\"new york\"", &[3]),
    ("\"york new\"", &[]),
    ("\"new shoes\" york", &[3]),
    ("\"hello wor\"", &[]),
    ("\"hello wor", &[]),
    ("straße", &[5, 4]),
    ("strasse", &[5, 4]),
    ("groß", &[5, 4]),
    ("brucke", &[4]),
    ("BRÜCKE", &[4]),
    ("ecole", &[6]),
    ("École garcon", &[6]),
    ("noel mange", &[6]),
    ("привет", &[8, 7]),
    ("\"привет\"", &[7]),
    ("елка зеленая", &[7]),
    ("МОСКВ", &[8]),
    ("东京", &[9]),
    ("学习", &[9]),
    ("东京大学学习", &[9]),
    ("京", &[11, 9]),
    ("大京", &[]),
    ("天气", &[10]),
    ("公园 今天", &[10]),
    ("東京", &[11]),
    ("タワー", &[11]),
    ("楽しかった", &[11]),
    ("です", &[11]),
    ("학교", &[12]),
    ("민국", &[12]),
    ("안녕", &[12]),
    ("สวัสดี", &[13]),
    ("ไทย", &[13]),
    ("อร่อย มาก", &[13]),
    ("ดี", &[13]),
    ("مرحبا", &[14]),
    ("احمد", &[14]),
    ("المدينة", &[14]),
    ("👍", &[16, 15]),
    ("👍🏿", &[16, 15]),
    ("🎉", &[15]),
    ("❤", &[16]),
    ("👨‍👩‍👧", &[16]),
    ("parse_header", &[17]),
    ("header", &[17]),
    ("Result<()", &[17]),
    ("&[u8]", &[17]),
    ("example.com", &[18]),
    ("example", &[19, 18]),
    ("https://example.com/docs", &[18]),
    ("rust page=2", &[18]),
    ("ann.smith@example.org", &[19]),
    ("1.95", &[20]),
    ("€", &[20]),
    ("20", &[20]),
    ("can't", &[21]),
    ("don't", &[21]),
    ("cooperate", &[22]),
    ("reconnect", &[22]),
    ("full width", &[23]),
    ("ガギ", &[23]),
    ("fine", &[23]),
    ("a", &[22, 19, 16, 6, 3, 2]),
];

async fn answers_hold(user: &User, when: &str) {
    for (q, expected) in ANSWERS {
        assert_eq!(find(user, q).await, *expected, "{q} {when}");
    }
}

both_databases!(search_in_many_languages_gives_the_expected_answers, MESSAGE_BURST = "100");
async fn search_in_many_languages_gives_the_expected_answers(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    for (at, content) in CORPUS.iter().enumerate() {
        assert_eq!(ann.send_rest(&bob, content).await["id"], json!(at + 1));
    }
    answers_hold(&bob, "at once").await;
    is_indexed(hub).await;
    answers_hold(&bob, "by the index").await;
    hub.restart();
    answers_hold(&bob, "after a restart").await;
}
