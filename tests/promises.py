"""What SECURITY.md promises: each promise with the tests that hold it, and for each test a change that breaks it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Break:
    """With `old` in `path` replaced by `new`, the test has to fail."""

    path: str
    old: str
    new: str


OWNER = "(conversations.c.id == conversation_id) & (conversations.c.owner_id == owner)"
NO_OWNER = Break("webapp/chats/owned.py", OWNER, "conversations.c.id == conversation_id")

# The test's file and its name without `test_`, as SECURITY.md has them.
BREAKS = {
    # Nobody sees what is not theirs
    "test_access::each_gets_what_the_table_says": NO_OWNER,
    "test_access::nobody_can_tell_what_is_not_theirs_from_what_is_not_there": Break(
        "webapp/pages/errors.py", "return page(404, next_step", "return page(404, request.path, next_step"
    ),
    "test_shares::a_page_holds_no_id_of_the_owners_and_nothing_beside_that_branch": Break(
        "templates/share/shown.html",
        'class="message h-entry" data-role',
        'class="message h-entry" id="{{ message.id }}" data-role',
    ),
    "test_shares::a_reply_that_was_retried_is_gone_from_the_chat_as_it_stood": Break(
        "webapp/chats/shares.py", "<= self.created_at", "<= inf"
    ),
    "test_shares::a_reader_goes_on_with_a_copy_and_the_owners_chat_stays_as_it_was": Break(
        "webapp/chats/copies.py", " | source.instead(row)", ""
    ),
    "test_shares::a_picture_is_shown_by_the_link_to_its_branch_alone_and_a_copy_has_its_own": Break(
        "webapp/chats/shares.py",
        "for message_id in _ids(database, share) if message_id in theirs",
        "for message_id in theirs",
    ),
    "test_access::a_link_that_was_revoked_or_has_ended_looks_like_one_that_never_was": Break(
        "webapp/chats/shares.py", "shares.c.ends_at > time())", "shares.c.ends_at > 0)"
    ),
    "test_crawl::each_finds_all_of_her_own_and_nothing_of_the_others": Break(
        "webapp/chats/owned.py",
        "(conversations.c.owner_id == owner) & conversations.c.deleted_at",
        "conversations.c.deleted_at",
    ),
    "test_crawl::whoever_reads_writes_nothing_and_gets_no_cookie": Break(
        "webapp/web/sessions.py", 'row["seen_at"] < time() - DAY', 'row["seen_at"] < time()'
    ),
    "test_search::an_owner_with_the_same_mark_finds_nothing_of_the_others": Break(
        "webapp/chats/search.py", "in_(numbers), is_theirs, ", "in_(numbers), "
    ),
    "test_search::deleted_and_temporary_chats_are_not_found": Break(
        "webapp/chats/search.py", "owned.listed(owner))", "conversations.c.owner_id == owner)"
    ),
    "test_search_index::a_word_that_was_deleted_is_in_no_file_after_tidying": Break(
        "webapp/chats/tidying.py", "self._merge(-STEP_PAGES)", "pass"
    ),
    "test_access::no_cookie_but_hers_opens_alices_chat": Break(
        "webapp/web/sessions.py",
        "return sha256(sid.encode()).hexdigest()",
        "return sha256(sid[:31].encode()).hexdigest()",
    ),
    "test_nginx::no_page_comes_from_the_cache": Break(
        "webapp/web/security.py", '"Cache-Control": "no-store"', '"Cache-Control": "public, max-age=60"'
    ),
    "test_uploads::a_picture_is_served_as_what_it_is_and_can_do_nothing": Break(
        "webapp/pages/attachments.py", '    answer.headers["Content-Security-Policy"] = POLICY\n', ""
    ),
    "test_pictures::it_is_upright_and_says_nothing_of_who_made_it_and_where": Break(
        "webapp/chats/pictures.py", "Image.frombytes(upright.mode, upright.size, upright.tobytes())", "upright"
    ),
    "test_pictures::another_file_behind_a_picture_does_not_come_along": Break(
        "webapp/chats/pictures.py", 'return "image/png", png', 'return "image/png", png + b"<script>"'
    ),
    "test_uploads::all_else_is_refused_with_what_is_taken": Break(
        "webapp/chats/textfiles.py", "return None if BINARY.search(words) or content.startswith(PDF) else", "return"
    ),
    "test_pictures::a_bomb_is_refused_before_it_is_read": Break(
        "webapp/chats/pictures.py", "if image.width * image.height > most * 1_000_000:", "if False:"
    ),
    # Sign-in
    "test_signin::every_address_that_is_not_public_turns_nobody_in_whatever_the_method": Break(
        "webapp/web/signin.py", "app.before_request(_knock)", "pass"
    ),
    "test_signin::sign_out_ends_the_session_on_the_server": Break("webapp/web/sessions.py", "if ends:", "if False:"),
    "test_signin::a_late_request_never_revives_a_session": Break(
        "webapp/web/sessions.py",
        'return not row["ended"] and',
        'return bool(json.loads(row["data"]) or self._upsert) and',
    ),
    "test_sessions::a_late_request_does_not_bring_an_ended_session_back": Break(
        "webapp/web/sessions.py",
        "mine = (sessions.c.id_hash == store_id) & ~sessions.c.ended",
        "mine = sessions.c.id_hash == store_id",
    ),
    "test_signin::a_new_password_asks_everybody_again": Break(
        "webapp/web/password.py", 'if not signed_in or signed_in["key"] != self._key():', "if not signed_in:"
    ),
    "test_signin::a_sign_in_ends_after_thirty_days_however_often_it_is_used": Break(
        "webapp/web/password.py", 'signed_in["since"] > now - self._seconds and', ""
    ),
    "test_signin::after_five_wrong_passwords_an_address_waits_each_time_twice_as_long": Break(
        "webapp/users/attempts.py", "        if wait > 0:\n            raise TooManyAttempts(wait)\n", ""
    ),
    "test_signin::guesses_that_come_all_at_once_are_counted_one_by_one": Break(
        "webapp/users/attempts.py", "count=count + 1", "count=count"
    ),
    "test_proxy_signin::a_name_counts_only_from_a_trusted_proxy": Break(
        "webapp/web/security.py", "if self._trusts(environ", "if True or self._trusts(environ"
    ),
    "test_proxy_signin::the_header_can_have_another_name_and_then_the_usual_one_counts_for_nothing": Break(
        "webapp/web/security.py", " or name == self.user", ""
    ),
    "test_proxy_signin::behind_nginx_with_oauth2_proxy_each_is_who_the_sign_in_says_whatever_they_claim": Break(
        "deploy/nginx-oauth2-proxy.conf", "proxy_set_header X-Forwarded-User $user;", ""
    ),
    "test_proxy_signin::nothing_is_taken_along_unasked": Break(
        "webapp/pages/auth.py", 'if owner and "chats" in request.form:', "if owner:"
    ),
    "test_forget::a_forgotten_browser_has_no_cookie_and_no_chats": Break(
        "webapp/pages/auth.py",
        '    sessions.end()\n    return _and_clear(_see(url_for("chat.new")))',
        '    return _see(url_for("chat.new"))',
    ),
    "test_forget::its_chats_are_deleted_if_that_was_asked_for_and_nobody_elses": Break(
        "webapp/chats/erasure.py",
        "while delete_some(database, conversations.c.owner_id == owner):",
        "while delete_some(database, conversations.c.owner_id.is_not(None)):",
    ),
    # Recovery links
    "test_recovery::it_is_shown_once_and_only_a_hash_is_kept": Break(
        "webapp/users/recoveries.py", "return sha256(token.encode()).hexdigest()", "return token"
    ),
    "test_recovery::a_new_link_ends_the_one_before_and_a_link_can_be_ended": Break(
        "webapp/users/recoveries.py",
        """            connection.execute(delete(recoveries).where(recoveries.c.owner_id == owner))
            database""",
        "            database",
    ),
    "test_recovery::a_late_resend_does_not_bring_an_ended_link_back": Break(
        "webapp/users/recoveries.py",
        "if database.insert_once(connection, submissions, once):",
        "if database.insert_once(connection, submissions, once) or True:",
    ),
    "test_recovery::one_that_was_ended_looks_like_one_that_never_was": Break(
        "webapp/pages/errors.py", "return page(404, next_step=", "return page(404, request.path, next_step="
    ),
    "test_recovery::guesses_are_slowed_down_for_each_address": Break(
        "webapp/pages/recovery.py", "    attempts.begin(house().database, address)\n", ""
    ),
    "test_recovery::unasked_they_stay_behind_and_open_by_a_link_of_their_own": Break(
        "webapp/pages/recovery.py", ' and fields.is_ticked("along")', ""
    ),
    # What is deleted
    "test_temporary::a_temporary_chat_is_in_no_list_and_opens_by_its_address": Break(
        "webapp/chats/owned.py", "return is_theirs & ~conversations.c.is_temporary", "return is_theirs"
    ),
    "test_temporary::it_is_deleted_for_good_a_day_after_its_last_message": Break(
        "webapp/__init__.py", "        partial(expiry.temporary, database),\n", ""
    ),
    "test_temporary::what_is_past_its_time_is_deleted_pinned_or_not_and_nothing_else": Break(
        "webapp/chats/expiry.py",
        "return days is not None and delete_some(database, ",
        "return days is not None and delete_some(database, conversations.c.pinned_at.is_(None), ",
    ),
    "test_erasure::all_of_it_is_gone_at_once_and_nothing_of_anybody_elses": Break(
        "webapp/chats/erasure.py",
        "for table in (presets, recoveries, accounts):",
        "for table in (recoveries, accounts):",
    ),
    "test_erasure::every_browser_with_that_history_begins_anew": Break(
        "webapp/chats/erasure.py",
        """theirs = sessions.c.data.contains(f'"{owner}"')""",
        "theirs = sessions.c.data == owner",
    ),
    "test_erasure::what_a_kill_has_left_is_out_of_reach_and_deleted_by_the_housekeeping": Break(
        "webapp/chats/erasure.py", "        _put_out_of_reach(connection, owner)\n", ""
    ),
    "test_erasure::a_request_that_was_on_its_way_leaves_nothing_behind": Break(
        "webapp/__init__.py", "        partial(erasure.late, database, files),\n", ""
    ),
    "test_erasure::no_file_of_the_data_folder_holds_a_word_of_it": Break(
        "webapp/db.py", "PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA wal_checkpoint(PASSIVE)"
    ),
    # Limits
    "test_limits::of_twenty_people_who_send_at_once_to_two_workers_exactly_seven_are_let_in": Break(
        "webapp/users/limits.py", "    WHERE meters.empty_at <= :fullest\n", ""
    ),
    "test_limits::a_fresh_cookie_is_no_fresh_address": Break(
        "webapp/users/limits.py",
        "        if sender.address:\n            yield Scope",
        "        if False:\n            yield Scope",
    ),
    "test_limits::no_table_says_from_where_somebody_came": Break(
        "webapp/web/addresses.py",
        'submit.derive("address", network(ip_address(request.remote_addr or "")))',
        'network(ip_address(request.remote_addr or ""))',
    ),
    # Deleted chats, titles
    "test_deleted::a_deleted_chat_is_gone_from_everywhere_and_undo_brings_it_back_as_it_was": Break(
        "webapp/chats/owned.py",
        "return _named(owner, conversation_id) & conversations.c.deleted_at.is_(None)",
        "return _named(owner, conversation_id)",
    ),
    "test_deleted::after_a_week_a_deleted_chat_is_gone": Break(
        "webapp/__init__.py", "        partial(deleted.purge, database),\n", ""
    ),
    "test_sidebar::where_somebody_can_sign_out_the_browser_keeps_no_titles": Break(
        "webapp/pages/chat.py", "if not house().settings.can_sign_out:", "if True:"
    ),
    # Other sites, other names, proxies
    "test_security::what_another_site_makes_a_browser_send_is_not_carried_out": Break(
        "webapp/web/security.py", "if request.method not in READING and is_cross_site(request):", "if False:"
    ),
    "test_security::under_a_foreign_name_there_is_nothing_at_all": Break(
        "webapp/web/security.py", "if given and not is_host_trusted(request.host, names):", "if False:"
    ),
    "test_security::what_was_forwarded_counts_only_from_a_proxy_that_the_admin_named": Break(
        "webapp/web/security.py", "return any(peer in network for network in self.networks)", "return True"
    ),
    "test_signin::the_password_leads_to_the_page_that_was_asked_for_and_nowhere_else": Break(
        "webapp/pages/auth.py",
        "return asked if LOCAL_PATH.fullmatch(asked) else otherwise",
        "return asked or otherwise",
    ),
    # What messages hold
    "test_hostile_page::a_hostile_message_does_nothing": Break(
        "webapp/markdown.py", "return stored(_Writer(breaks).rendered(text))", "return stored(text)"
    ),
    "test_hostile_page::a_hostile_title_does_nothing": Break(
        "templates/conversation.html", "{{ conversation.title }}</a>", "{{ conversation.title|safe }}</a>"
    ),
    "test_markdown::an_image_is_a_link_and_never_loaded": Break(
        "webapp/markdown.py",
        'self._put(opener + escape(alt or image["dest_url"]) + closer)',
        'self._put(f\'<img src="{image["dest_url"]}">\')',
    ),
    "test_mathml::code_shows_what_nobody_would_see": Break("webapp/characters.py", r"\u202a-\u202e", ""),
    "test_headers::every_answer_carries_the_headers_that_protect_its_reader": Break(
        "webapp/web/security.py", '"default-src": "\'none\'"', '"default-src": "\'self\'"'
    ),
    # Files with chats
    "test_imports::a_broken_or_hostile_file_is_refused_whole_with_a_sentence": Break(
        "webapp/chats/imports/reading.py", "if self._left < 0:", "if False:"
    ),
    "test_imported_pictures::a_picture_is_written_anew_as_one_that_is_sent": Break(
        "webapp/chats/imports/pictured.py",
        "pictures.picture(wanted.name, _content(wanted, packed))",
        'Picture(wanted.name, "image/jpeg", _content(wanted, packed), 2048, 14)',
    ),
    "test_imports::a_person_fills_no_disk": Break(
        "webapp/pages/along.py", "limits.admit_bytes(visitor.sender(owner), connection, checked.bytes, most)", "pass"
    ),
    # Keys, tokens, words
    "test_cookie::the_cookie_is_named_and_marked_for_where_voichat_stands": Break(
        "webapp/web/sessions.py", '"httponly": True', '"httponly": False'
    ),
    "test_sessions::no_table_holds_the_id_of_a_session_but_its_hash": Break(
        "webapp/web/sessions.py", "return sha256(sid.encode()).hexdigest()", "return sid"
    ),
    "test_sessions::a_submit_id_that_a_client_made_up_leads_into_nobodys_session": Break(
        "webapp/web/submit.py",
        'return hmac.compare_digest(signature.encode(), derive("submit", nonce).encode())',
        "return True",
    ),
    "test_logs::behind_gunicorn_no_canary_gets_into_the_log": Break(
        "webapp/log.py", 'return {"type": _kind(error),', 'return {"type": str(error),'
    ),
    "providers/test_https::nothing_is_sent_to_whom_is_not_trusted": Break(
        "webapp/providers/http.py",
        "return adapter.send(request, True, (self.connect, self.silence), proxies=proxies)",
        "adapter._tls.check_hostname = False; return adapter.send(request, True, None, False, None, proxies)",
    ),
    "test_several_upstreams::each_upstream_is_sent_its_own_key": Break(
        "webapp/providers/__init__.py", "token=written.key,", 'token="sk-1234567890",'
    ),
    "test_several_upstreams::a_key_that_the_upstream_echoes_is_neither_shown_nor_logged": Break(
        "webapp/providers/http.py", 'said = said.replace(secret, "…") if secret else said', ""
    ),
    "providers/test_http::a_redirect_is_not_followed": Break(
        "webapp/providers/http.py", "                _refuse_redirect(answer)\n", ""
    ),
}
