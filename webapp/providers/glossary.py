"""What people say, in the manual's words: Russian words by their beginnings, and other English words for the same."""

import re
from collections.abc import Iterator, Mapping


def meanings(word: str) -> Iterator[str]:
    """English words that may stand in the manual for `word`, in lower case, itself not among them."""
    if CYRILLIC.match(word):
        beginnings = (word[:length] for length in range(len(word), 1, -1))
        yield from next((RUSSIAN[beginning] for beginning in beginnings if beginning in RUSSIAN), ())
    else:
        yield from ENGLISH.get(word, ())


def is_russian(text: str) -> bool:
    return CYRILLIC.search(text) is not None


def _read(entries: str) -> Mapping[str, tuple[str, ...]]:
    """Lines of `said, said: meant meant`."""
    lines = [line.partition(":") for line in entries.strip().splitlines()]
    return {said.strip(): tuple(meant.split()) for left, _, meant in lines for said in left.split(",")}


CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)

RUSSIAN = _read("""
администратор, админ: admin
адрес: address
архив: backup
аутентификац, авториз: sign-in
баз: database
без: without
бесплатн, лиценз, стоит, стоимост, цен: cost free license
безопас, опасн: safe security
бесконечн: long
браузер: browser
бэкап, резервн: backup
верн, восстан: restore
верси: version
вид, увид: see read
внешн: outside
войти, вход, войд, логин, залогин: sign-in
вопрос: question
воркер, процесс: worker process
врем: time
встроенн: built-in
выбор, выбр, выбира, переключ: choose
выгруз, экспорт: export
выйти, выход: sign out
выключ: stop
гид, справочник: guide
данн: data
день, дня, дней, суток, сутки: day
диск: disk
дожида, жда, жде, ожида: wait
долг: slow long
доступ: access open
друг: another
журнал, лог, логи, логах: log
забыл: forgot lost
забы: forget lost
завис, висит, застр: nothing comes
заголов: header
задерж: slow
закры, закро: close
занят: taken busy use
запис, пишет, писать, напис: write written stored
запрет: refuse
запрос: request
запуск, запуст: start install run
защит, защищ: password trust
измен, поменя, смен: change
изображ, картин: image
импорт: import
имя, имен: name
инструкц, руководств, докуме: manual
интернет: network
испорч, поврежд, поломан: damaged
истори: history chats
ключ: key
код: code
коллег, сотрудник: team colleagues
команд: team command
компьютер, машин, ноутбук: machine
консол, терминал, командн: curl script
копи: backup copy
кук, куки: cookie
куч: many
кэш, кеш: cache
лимит, огранич: limit
локальн: own loopback
люд, человек, пользовател: people person
медл, тормоз: slow
мест: disk space
минут: minute
много: many
модел, нейросет, ии: model
мои, мой, моя, мое, моих: my
набор: set
назад: back
найд, найт, поиск: found
настро: set
настройк, параметр, конфиг: settings
невидим: invisible
недоступ: not answer
неправильн, неверн: wrong
новый, нов: new
номер: number
обещ, гарант: promised
обнов: update
обор, обрыв, прерв: interrupted broke
обратн: reverse
один, одн: one
остан: stop
ответ, отвеч, отвечать: reply answer
отказ: refused
открыв, откры, откро: open
отлич: differs
отправ, посл, шлю: send
ошибк: failed error
памят: memory
пап, каталог: folder
паро: password
перевод: address
перегруж: overloaded
перезапус, перезагр: restart
перенес, перенос, переех: another machine restore
переполн, полн, кончил, закончил: full
повтор: retry again
под: under
подключ, подсоедин, добав: connect
подпут, префикс, подпап: sub-path
показыва: show
пользова: use
помощ: help
понадоб, нуж, треб: need
порт: port
последн: last
постав: set
потер, пропа, исчез: lost gone
потеря, потерял: lost gone
потом, позже: later
прав: right
права: readable
приват, конфиденц, личн: privacy private
приход: comes
проверк, провер: check
программ: program script
продолж: continue
прокси: proxy
протокол: protocol
прочита, чита, прочес: read
пуст: empty
работа: work
разм: long size
разных: several
расшар, подел, общ: share
регистрац: account
редактир: edit
сайт: site
само: itself
сбо, упал, пада, слом, крах: failed crash killed
сброс: forget new
свой, сво: own
секрет: secret
сервер: server
сертификат: certificate
сесси: session
сет: network
символ: characters
скольк: many limit
скорост: slow
скрипт: script
слишк: too
слов: words
служб: systemd
сначал: regenerate
соедин: connection
сообщен: message
сохран, хран: stored data kept
список: list
сразу, целик: once
ссылк: link
стер, стир, удал: delete forget
стоп: stop
сторон, трет: privacy upstream
страниц: page
счет, счит: count
таблиц: table
текст: text
телеметр: telemetry
телефон: device browser
тест: test
токен: token
удалени: delete
управля: settings
устан: install set
устройств: device
файл: file
формул: math formulas
чат, переписк, разговор, диалог, бесед: chats
через: through behind
шифр: encrypted https
язык: language
""")

ENGLISH = _read("""
ai, llm: model
answer, answers: reply
auth: sign-in
authentication, login, sso: sign-in
big: large more
bot: model
breaks: failed
cli, terminal, command, script: curl
computer, computers, laptop: machine device
corrupt, corrupted, broken: damaged
coworkers, colleagues, office: team colleagues
crash, crashes, crashed: killed
crt, pem: certificate
directory: folder data
erase, remove, wipe: delete
export, move, migrate: backup
fast, speed, lag: slow
freeze, freezes, hang, hangs, hanging, stuck: nothing comes
install, installation, setup: install start
lan, wifi: network
listen: port
log, logged: sign-in log
logs, logging: log
lost, vanished, disappeared, missing: gone lost
offline, disconnected: closed
pgsql, psql: postgresql
phone, tablet, mobile: device
picture, pictures: image
quota, quotas, throttle, rate: limits
run: start
save, saved, copy: backup stored
say, said, write, type: messages chats
secure, safe: privacy https trust
shut, turned: close
ssl, tls: https
subdirectory, subfolder, subpath, prefix: sub-path
third, parties, party: privacy upstream
upgrade: update
users, user: people person
wan, internet: network
wrote, written: write
""")
