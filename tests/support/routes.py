"""The addresses, and the fields that each takes: in its form as its page sends it, and in the query."""

VERBS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "INVENTED")
MODEL = "guide/gpt-3.5-turbo"

CHAT = "/chats/<id:conversation_id>"
MESSAGES = f"{CHAT}/messages"
REPLY_OF = f"{CHAT}/replies/<id:reply_id>"
RETRY, CONTINUE, REGENERATE = f"{REPLY_OF}/retry", f"{REPLY_OF}/continue", f"{REPLY_OF}/regenerate"
STOP, STOP_ALL = f"{REPLY_OF}/stop", f"{CHAT}/stop"
EDIT, COPY = f"{MESSAGES}/<id:message_id>/edit", f"{CHAT}/copy"
SETTINGS = f"{CHAT}/settings"
KEEP = f"{CHAT}/keep"
RENAME, PIN = f"{CHAT}/rename", f"{CHAT}/pin"
DELETE_CHAT, RESTORE_CHAT, ERASE = f"{CHAT}/delete", f"{CHAT}/restore", f"{CHAT}/erase"
DELETE_ALL, DELETED = "/chats/delete", "/chats/deleted"
EXPORTS = [f"{CHAT}.{ending}" for ending in ("md", "txt", "json")]
MESSAGE_FILES = [f"{MESSAGES}/<id:message_id>.{ending}" for ending in ("md", "txt")]
ATTACHMENT = f"{MESSAGES}/<id:message_id>/files/<id:attachment_id>"
PRESET = "/presets/<id:preset_id>"
DELETE_PRESET = f"{PRESET}/delete"
SHARE, REVOKE = f"{CHAT}/share", f"{CHAT}/shares/<id:share_id>/revoke"
SHARED = "/shares/<id:share_id>"
COPY_SHARED, SHARED_FILE = f"{SHARED}/copy", f"{SHARED}/files/<id:attachment_id>"
RECOVER = "/recover/<key:token>"

UNASKED = ["/favicon.ico", "/apple-touch-icon.png", "/manifest.webmanifest", "/robots.txt"]

REPLY, NEW, ZEROS = "<reply_id>", "<new>", "0" * 32
TOLD = {"system": "Be brief.", "temperature": "0.5", "top_p": "", "max_tokens": "", "seed": ""}
NOWHERE = {"parent": "", "edits": "", "at": ""}

FORMS = {
    "/chats": {
        "message": "Hi",
        "model": MODEL,
        "submit_id": NEW,
        "preset": "",
        "temporary": "on",
        **TOLD,
        **NOWHERE,
    },
    MESSAGES: {"message": "Hi", "model": MODEL, "submit_id": NEW, **NOWHERE, "parent": REPLY},
    COPY: {"submit_id": NEW, "at": REPLY},
    RETRY: {"attempt": "1", "at": REPLY},
    CONTINUE: {"attempt": "1", "at": REPLY},
    REGENERATE: {"submit_id": NEW},
    STOP: {"at": REPLY},
    STOP_ALL: {"at": REPLY},
    KEEP: {"at": REPLY},
    SETTINGS: {"version": "<version>", **TOLD},
    RENAME: {"name": "Better", "version": "<title_version>"},
    PIN: {"pinned": "1", "to": "list", "before": "9e9"},
    DELETE_CHAT: {"before": "9e9"},
    RESTORE_CHAT: {"to": "list", "before": "9e9"},
    DELETE_ALL: {},
    DELETED: {"restore": "<moment>", "until": "<moment>"},
    ERASE: {},
    "/presets": {"name": "Terse", "model": MODEL, "submit_id": NEW, **TOLD},
    PRESET: {"name": "Terse", "model": MODEL, "version": "<preset_version>", **TOLD},
    DELETE_PRESET: {},
    SHARE: {"submit_id": NEW, "at": REPLY, "kind": "goes-on", "ends": "day", "day": "", "name": "Alice"},
    REVOKE: {"list": "1"},
    "/recovery": {"submit_id": NEW, "end": ""},
    "/import": {"submit_id": NEW, "file": ""},
    "/settings": {"submit_id": NEW, "theme": "dark", "language": "", "shortcuts": "off"},
    COPY_SHARED: {"submit_id": NEW},
}
# Their forms end the session of whoever asks: test_signin, test_forget, test_erasure, test_recovery.
SIGN_IN_FORMS = {"/login", "/logout", "/forget", "/erase", RECOVER}
QUERIES = {
    "/": {"q": "Hi", "preset": "<preset_id>"},
    "/static/<path:filename>": {"v": "1"},
    **{rule: {} for rule in UNASKED},
    "/chats": {"before": f"9000000000.0-{ZEROS}", "deleted": "<conversation_id>", "deleted_at": "1.5", "q": "First"},
    DELETE_ALL: {},
    DELETED: {"before": f"9000000000.0-{ZEROS}"},
    RENAME: {},
    CHAT: {"at": REPLY, "before": REPLY, "all": "1"},
    EDIT: {},
    SETTINGS: {},
    **{rule: {} if rule.endswith(".json") else {"at": REPLY} for rule in EXPORTS},
    **{rule: {} for rule in MESSAGE_FILES},
    ATTACHMENT: {},
    "/presets": {},
    PRESET: {},
    "/shares": {},
    SHARE: {"at": REPLY},
    SHARED: {"page": "2"},
    SHARED_FILE: {},
    "/settings": {"saved": "1"},
    "/take-along": {},
    "/take-along.zip": {},
    "/providers/": {},
    "/login": {},
    "/forget": {},
    "/erase": {},
    "/recovery": {},
    RECOVER: {},
    "/shortcuts": {},
    "/healthz": {},
    "/readyz": {},
}
