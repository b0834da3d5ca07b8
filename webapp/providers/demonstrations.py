"""What a reply can look like: shown on request, for those who have no model yet."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Demonstration:
    """`asked` are beginnings of words: who says one of them, and otherwise at most some of `besides`, means this.

    `names` are what the help calls it and `texts` what is shown, in English and in Russian. It takes `seconds`, and
    then fails if it `fails`.
    """

    names: tuple[str, str]
    asked: tuple[str, ...]
    texts: tuple[str, str]
    besides: tuple[str, ...] = ()
    seconds: float = 0.0
    fails: bool = False

    def is_meant(self, said: Sequence[str]) -> bool:
        """Whether `said`, the words that carry meaning, ask for this and for nothing else."""
        is_named = any(word.startswith(self.asked) for word in said)
        return is_named and all(word.startswith(self.asked + self.besides) for word in said)


def meant(said: Sequence[str]) -> Demonstration | None:
    return next((each for each in DEMONSTRATIONS if each.is_meant(said)), None)


TABLE = """\
| planet | moons | a year, in days |
|:---|---:|---:|
| Earth | 1 | 365 |
| Mars | 2 | 687 |
| Jupiter | 95 | 4 333 |"""
TABLE_RUSSIAN = """\
| планета | спутники | год, в днях |
|:---|---:|---:|
| Земля | 1 | 365 |
| Марс | 2 | 687 |
| Юпитер | 95 | 4 333 |"""
CODE = """\
```python
def greatest_common_divisor(a: int, b: int) -> int:
    while b:
        a, b = b, a % b
    return a
```

```javascript
const greatestCommonDivisor = (a, b) => (b ? greatestCommonDivisor(b, a % b) : a);
```

```c
unsigned greatest_common_divisor(unsigned a, unsigned b) {
    while (b) { unsigned rest = a % b; a = b; b = rest; }
    return a;
}
```

```sql
SELECT title, count(*) AS messages FROM chats GROUP BY title HAVING count(*) > 10;
```

```sh
for page in docs/*.md; do wc -w "$page"; done
```"""
MATH = r"""Inline, Euler's identity is $e^{i\pi} + 1 = 0$. On a line of its own, a sum is

$$\sum_{k=1}^{n} k = \frac{n(n+1)}{2}$$

and a determinant is

$$\det \begin{pmatrix} a & b \\ c & d \end{pmatrix} = ad - bc.$$"""
MATH_RUSSIAN = r"""В строке тождество Эйлера: $e^{i\pi} + 1 = 0$. Отдельной строкой сумма

$$\sum_{k=1}^{n} k = \frac{n(n+1)}{2}$$

и определитель

$$\det \begin{pmatrix} a & b \\ c & d \end{pmatrix} = ad - bc.$$"""
LIST = "\n".join(f"{n}. The number {n}\n   - squared is {n * n}\n   - cubed is {n**3}" for n in range(1, 21))
LIST_RUSSIAN = "\n".join(f"{n}. Число {n}\n   - в квадрате {n * n}\n   - в кубе {n**3}" for n in range(1, 21))
SLOW = "\n".join(
    f"{n}. About {n} of ten seconds. Close this page and come back: the reply goes on." for n in range(1, 11)
)
SLOW_RUSSIAN = "\n".join(
    f"{n}. Около {n} из десяти секунд. Закройте страницу и вернитесь: ответ пишется дальше." for n in range(1, 11)
)
AT_ONCE = """

All at once? So it comes over VoiGpt's protocol. With `OPENAI_BASE_URL=embedded:` it grows word by word."""
AT_ONCE_RUSSIAN = """

Всё сразу? Так отвечает протокол VoiGpt. С `OPENAI_BASE_URL=embedded:` ответ растёт слово за словом."""
BROKEN = """\
This reply breaks off in the middle, like that of a server which runs out of memory. What has come stays, a sentence
says what went wrong, and Retry asks again. Here it"""
BROKEN_RUSSIAN = """\
Этот ответ оборвётся посередине, как у сервера, которому не хватило памяти. Что пришло, остаётся, одна фраза говорит,
что случилось, а Retry спрашивает снова. Вот здесь он"""

DEMONSTRATIONS = (
    Demonstration(("a table", "таблица"), ("table", "таблиц"), (TABLE, TABLE_RUSSIAN)),
    Demonstration(
        ("code in several languages", "код на нескольких языках"),
        ("code", "код", "program", "програм"),
        (CODE, CODE),
        besides=("several", "languag", "highlight", "нескольк", "разны", "язык"),
    ),
    Demonstration(
        ("math", "математика"),
        ("math", "formula", "equation", "математи", "формул", "уравнен"),
        (MATH, MATH_RUSSIAN),
    ),
    Demonstration(
        ("a long list", "длинный список"),
        ("list", "список", "списк"),
        (LIST, LIST_RUSSIAN),
        besides=("long", "длинн"),
    ),
    Demonstration(
        ("a long slow reply", "медленный ответ"),
        ("slow", "медлен"),
        (SLOW + AT_ONCE, SLOW_RUSSIAN + AT_ONCE_RUSSIAN),
        besides=("long", "repl", "answer", "ответ", "длинн"),
        seconds=10,
    ),
    Demonstration(
        ("an error", "ошибка"),
        ("error", "fail", "ошибк", "сбой"),
        (BROKEN, BROKEN_RUSSIAN),
        besides=("repl", "answer", "ответ", "middle", "середин"),
        seconds=2,
        fails=True,
    ),
)
