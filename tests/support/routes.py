"""The addresses, and the fields that each takes: in its form as its page sends it, and in the query."""

VERBS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "INVENTED")
MODEL = "guide/gpt-3.5-turbo"

CHAT = "/chats/<id:conversation_id>"
MESSAGES = f"{CHAT}/messages"
RETRY = f"{CHAT}/replies/<id:reply_id>/retry"

REPLY, NEW = "<reply_id>", "<new>"

FORMS = {
    "/chats": {"message": "Hi", "model": MODEL, "submit_id": NEW, "parent": ""},
    MESSAGES: {"message": "Hi", "model": MODEL, "submit_id": NEW, "parent": REPLY},
    RETRY: {"attempt": "1", "at": REPLY},
}
# Their forms depend on the kind of sign-in, and end the session of whoever asks: test_signin, test_forget.
SIGN_IN_FORMS = {"/login", "/logout", "/forget"}
QUERIES = {
    "/": {"q": "Hi"},
    "/static/<path:filename>": {"v": "1"},
    "/chats": {"before": "9e9"},
    CHAT: {"at": REPLY},
    "/providers/": {},
    "/login": {},
    "/forget": {},
    "/healthz": {},
    "/readyz": {},
}
