//! Forwards in the character sets in which programs still write them.
// SPDX-License-Identifier: GPL-3.0-or-later

use crate::cases::COLLEAGUE;
use crate::compose::{Part, message};
use crate::score::{Case, Mark, Score, Truth};
use crate::traps::{LENA, case};

/// A charset, and a forward encoded in it and then in base64.
#[rustfmt::skip]
const BODIES: &[(&str, &str)] = &[
    ("iso-2022-jp", "RllJDQoNChskQjo5PVA/TRsoQjogGyRCOzNFRBsoQiA8bGVuYUBwb3N0LW5vcmQuZXhhbXBsZT4NChskQkF3Py5GfDt+GyhCOiAyMDI1LTAzLTAzIDEwOjE1DQobJEIwOEBoGyhCOiBCZXdlcmJ1bmcgPGJld2VyYnVuZ0BhY21lLXdlcmtlLmV4YW1wbGU+DQobJEI3b0w+GyhCOiBLb2NoDQoNCkhpDQo="),
    ("Shift_JIS", "RllJDQoNCo23j2+QbDogjlKTYyA8bGVuYUBwb3N0LW5vcmQuZXhhbXBsZT4NCpGXkE2T+o6eOiAyMDI1LTAzLTAzIDEwOjE1DQqItpDmOiBCZXdlcmJ1bmcgPGJld2VyYnVuZ0BhY21lLXdlcmtlLmV4YW1wbGU+DQqMj5a8OiBLb2NoDQoNCkhpDQo="),
    ("gb2312", "RllJDQoNCreivP7IyzogzfXOsCA8bGVuYUBwb3N0LW5vcmQuZXhhbXBsZT4NCreiy83KsbzkOiAyMDI1LTAzLTAzIDEwOjE1DQrK1bz+yMs6IEJld2VyYnVuZyA8YmV3ZXJidW5nQGFjbWUtd2Vya2UuZXhhbXBsZT4NCtb3zOI6IEtvY2gNCg0KSGkNCg=="),
    ("big5", "RllJDQoNCrFIpfOqzDogs68gPGxlbmFAcG9zdC1ub3JkLmV4YW1wbGU+DQq2x7BlOiAyMDI1LTAzLTAzIDEwOjE1DQqmrKXzqsw6IEJld2VyYnVuZyA8YmV3ZXJidW5nQGFjbWUtd2Vya2UuZXhhbXBsZT4NCqVEpq46IEtvY2gNCg0KSGkNCg=="),
    ("ks_c_5601-1987", "RllJDQoNCrq4s70gu+e29zogseggPGxlbmFAcG9zdC1ub3JkLmV4YW1wbGU+DQq6uLO9ILOvwqU6IDIwMjUtMDMtMDMgMTA6MTUNCrnetMIgu+e29zogQmV3ZXJidW5nIDxiZXdlcmJ1bmdAYWNtZS13ZXJrZS5leGFtcGxlPg0Kwaa48TogS29jaA0KDQpIaQ0K"),
    ("windows-1251", "RllJDQoNCs7yOiDI4uDtIDxsZW5hQHBvc3Qtbm9yZC5leGFtcGxlPg0KzvLv8ODi6+Xt7jogMjAyNS0wMy0wMyAxMDoxNQ0Kyu7s8zogQmV3ZXJidW5nIDxiZXdlcmJ1bmdAYWNtZS13ZXJrZS5leGFtcGxlPg0K0uXs4DogS29jaA0KDQpIaQ0K"),
    ("koi8-r", "RllJDQoNCu/UOiDp18HOIDxsZW5hQHBvc3Qtbm9yZC5leGFtcGxlPg0K79TQ0sHXzMXOzzogMjAyNS0wMy0wMyAxMDoxNQ0K68/N1TogQmV3ZXJidW5nIDxiZXdlcmJ1bmdAYWNtZS13ZXJrZS5leGFtcGxlPg0K9MXNwTogS29jaA0KDQpIaQ0K"),
    ("iso-8859-2", "RllJDQoNCk9kOiCjdWthc3ogPGxlbmFAcG9zdC1ub3JkLmV4YW1wbGU+DQpXeXOzYW5vOiAyMDI1LTAzLTAzIDEwOjE1DQpEbzogQmV3ZXJidW5nIDxiZXdlcmJ1bmdAYWNtZS13ZXJrZS5leGFtcGxlPg0KVGVtYXQ6IEtvY2gNCg0KSGkNCg=="),
    ("windows-1253", "RllJDQoNCsHw/Dogw+n+8ePv8iA8bGVuYUBwb3N0LW5vcmQuZXhhbXBsZT4NCtP03Ovo5+rlOiAyMDI1LTAzLTAzIDEwOjE1DQrQ8e/yOiBCZXdlcmJ1bmcgPGJld2VyYnVuZ0BhY21lLXdlcmtlLmV4YW1wbGU+DQrI3ezhOiBLb2NoDQoNCkhpDQo="),
    ("windows-1255", "RllJDQoNCu7g+jog6fLsIDxsZW5hQHBvc3Qtbm9yZC5leGFtcGxlPg0K8Pns5zogMjAyNS0wMy0wMyAxMDoxNQ0K4Ow6IEJld2VyYnVuZyA8YmV3ZXJidW5nQGFjbWUtd2Vya2UuZXhhbXBsZT4NCvDl+eA6IEtvY2gNCg0KSGkNCg=="),
    ("windows-1256", "RllJDQoNCuPkOiDdx9jjySA8bGVuYUBwb3N0LW5vcmQuZXhhbXBsZT4NCsrjIMfhxdHTx+E6IDIwMjUtMDMtMDMgMTA6MTUNCsXh7DogQmV3ZXJidW5nIDxiZXdlcmJ1bmdAYWNtZS13ZXJrZS5leGFtcGxlPg0Kx+Hj5tbm2jogS29jaA0KDQpIaQ0K"),
    ("iso-8859-1", "RllJDQoNCkRlIDogTm/pbWllIDxsZW5hQHBvc3Qtbm9yZC5leGFtcGxlPg0KRW52b3npIDogMjAyNS0wMy0wMyAxMDoxNQ0KwCA6IEJld2VyYnVuZyA8YmV3ZXJidW5nQGFjbWUtd2Vya2UuZXhhbXBsZT4NCk9iamV0IDogS29jaA0KDQpIaQ0K"),
    ("utf-16", "//5GAFkASQANAAoADQAKAFYAbwBuADoAIABMAGUAbgBhACAAPABsAGUAbgBhAEAAcABvAHMAdAAtAG4AbwByAGQALgBlAHgAYQBtAHAAbABlAD4ADQAKAEcAZQBzAGUAbgBkAGUAdAA6ACAAMgAwADIANQAtADAAMwAtADAAMwAgADEAMAA6ADEANQANAAoAQQBuADoAIABCAGUAdwBlAHIAYgB1AG4AZwAgADwAYgBlAHcAZQByAGIAdQBuAGcAQABhAGMAbQBlAC0AdwBlAHIAawBlAC4AZQB4AGEAbQBwAGwAZQA+AA0ACgBCAGUAdAByAGUAZgBmADoAIABLAG8AYwBoAA0ACgANAAoASABpAA0ACgA="),
    ("us-ascii", "RllJDQoNCkZy5W46IMVzYSA8bGVuYUBwb3N0LW5vcmQuZXhhbXBsZT4NClNraWNrYXQ6IDIwMjUtMDMtMDMgMTA6MTUNClRpbGw6IEJld2VyYnVuZyA8YmV3ZXJidW5nQGFjbWUtd2Vya2UuZXhhbXBsZT4NCsRtbmU6IEtvY2gNCg0KSGkNCg=="),
];

pub(crate) fn all() -> Vec<Case> {
    let case = |(charset, body): &(&str, &str)| {
        let part = Part {
            header: format!(
                "Content-Type: text/plain; charset=\"{charset}\"\nContent-Transfer-Encoding: base64\n"
            ),
            body: (*body).to_owned(),
        };
        case("charset", charset, message(COLLEAGUE, "FW: Koch", "", &part), Truth::One(LENA.into()))
    };
    BODIES.iter().map(case).collect()
}

#[test]
fn forwards_in_any_charset_are_read() {
    let cases = all();
    let score = Score::of(&cases);
    score.print();
    assert_eq!(score.total[Mark::Right as usize], cases.len());
}
