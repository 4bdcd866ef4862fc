// What the browser does beside Dash: links and filters without reload, times in the viewer's zone, theme,
// live updates and the banner of a lost connection. Data from the server is only ever set as text.
(function () {
  'use strict';
  var root = document.documentElement;

  // --- from the first paint to Dash ----------------------------------------------------------------------
  function takeOver() {
    var entry = document.getElementById('react-entry-point');
    var first = document.getElementById('first');
    if (!entry || !first || !entry.querySelector('#shell')) return false;
    var held = document.activeElement && first.contains(document.activeElement) ? document.activeElement : null;
    var again = held && (held.id ? '#' + CSS.escape(held.id) : held.getAttribute('href') ?
      'a[href="' + CSS.escape(held.getAttribute('href')) + '"]' : null);
    first.remove();
    entry.hidden = false;
    if (again && entry.querySelector(again)) entry.querySelector(again).focus({ preventScroll: true });
    window.dispatchEvent(new Event('resize'));
    if (location.hash.length > 1) jump(false);
    return true;
  }

  // --- links and filters -----------------------------------------------------------------------------------
  var pending = null;
  function go(href, replace) {
    var before = location.pathname;
    history[replace ? 'replaceState' : 'pushState']({}, '', href);
    pending = { moved: before !== location.pathname, hash: location.hash, held: held() };
    window.dispatchEvent(new CustomEvent('_dashprivate_pushstate'));
    document.getElementById('shell').classList.add('waiting');
    if (pending.moved) window.scrollTo(0, 0);
    else if (pending.hash) jump(true);
    mark();
  }
  // Dash draws a page's content anew: whoever was in it stays where they were, with what they typed meanwhile.
  function held() {
    var content = document.querySelector('#react-entry-point #page');
    var element = document.activeElement;
    if (!content || !element || element === content || !content.contains(element)) return null;
    var steps = [];
    for (var at = element; at !== content; at = at.parentElement) {
      steps.unshift(Array.prototype.indexOf.call(at.parentElement.children, at));
    }
    return { element: element, tag: element.tagName, steps: steps };
  }
  function hold(place, content) {
    if (!place || document.body.contains(place.element)) return;
    var at = content;
    place.steps.forEach(function (step) { at = at && at.children[step]; });
    if (!at || at.tagName !== place.tag) return;
    if (at.tagName === 'INPUT' && at.value !== place.element.value) at.value = place.element.value;
    at.focus({ preventScroll: true });
    if (at.setSelectionRange && at.type !== 'checkbox') at.setSelectionRange(at.value.length, at.value.length);
  }
  function jump(smooth) {
    var target = document.getElementById(location.hash.slice(1));
    if (target) target.scrollIntoView({ behavior: smooth && !matchMedia('(prefers-reduced-motion: reduce)').matches ? 'smooth' : 'auto' });
  }
  function ready() { return !!document.querySelector('#react-entry-point #shell') && !document.getElementById('first'); }
  document.addEventListener('click', function (event) {
    var link = event.target.closest && event.target.closest('a[href]');
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if (link.target || link.dataset.plain || link.origin !== location.origin || !ready()) return;
    if (link.getAttribute('href').charAt(0) === '#') return;
    event.preventDefault();
    go(link.href);
  });
  function address(form) {
    var query = new URLSearchParams();
    var now = new URLSearchParams(location.search);
    (form.dataset.keep || '').split(' ').forEach(function (name) { if (name && now.get(name)) query.set(name, now.get(name)); });
    new FormData(form).forEach(function (value, name) { if (String(value).trim()) query.set(name, value); });
    return form.getAttribute('action') + (String(query) ? '?' + query : '');
  }
  var typing = null;
  function apply(form) { clearTimeout(typing); if (ready()) go(address(form), true); }
  document.addEventListener('submit', function (event) {
    var form = event.target;
    if (form.classList.contains('filters') && ready()) { event.preventDefault(); apply(form); }
  });
  document.addEventListener('change', function (event) {
    var form = event.target.closest && event.target.closest('form.filters');
    if (form && event.target.tagName === 'SELECT') apply(form);
  });
  document.addEventListener('input', function (event) {
    var form = event.target.closest && event.target.closest('form.filters');
    if (!form || event.target.tagName !== 'INPUT') return;
    clearTimeout(typing);
    typing = setTimeout(function () { apply(form); }, 250);
  });

  // --- which menu entry is this ------------------------------------------------------------------------------
  function mark() {
    var path = location.pathname;
    document.querySelectorAll('header.top nav a').forEach(function (link) {
      var own = new URL(link.href).pathname;
      var here = own === '/' ? path === '/' || path.indexOf('/repositories/') === 0 || path.indexOf('/findings/') === 0 :
        path === own || path.indexOf(own + '/') === 0;
      if (here) link.setAttribute('aria-current', 'page'); else link.removeAttribute('aria-current');
    });
  }

  // --- times ---------------------------------------------------------------------------------------------------
  var full = new Intl.DateTimeFormat(root.lang || undefined, { dateStyle: 'medium', timeStyle: 'short' });
  var day = new Intl.DateTimeFormat(root.lang || undefined, { dateStyle: 'medium' });
  function local(scope) {
    scope.querySelectorAll('time[datetime]').forEach(function (element) {
      var at = new Date(element.getAttribute('datetime'));
      if (isNaN(at)) return;
      var text = (element.dataset.day ? day : full).format(at);
      if (element.firstChild && element.firstChild.nodeType === 3) {
        if (element.firstChild.nodeValue !== text) element.firstChild.nodeValue = text;
      }
      element.title = at.toISOString();
    });
  }

  // --- theme ---------------------------------------------------------------------------------------------------
  document.addEventListener('click', function (event) {
    if (!event.target.closest || !event.target.closest('#theme')) return;
    var dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
    root.dataset.theme = dark ? 'light' : 'dark';
    try { localStorage.setItem('elder-theme', root.dataset.theme); } catch (error) { /* private window */ }
  });

  // --- actions: everything that changes something goes through the API ---------------------------------------------
  function say(text, bad) {
    var place = document.querySelector('#react-entry-point #said') || document.getElementById('said');
    place.textContent = text;
    place.className = 'said shown' + (bad ? ' bad' : '');
    clearTimeout(say.timer);
    say.timer = setTimeout(function () { place.className = 'said'; }, bad ? 12000 : 6000);
  }
  function cookie(name) {
    var found = document.cookie.split('; ').filter(function (part) { return part.indexOf(name + '=') === 0; })[0];
    return found ? decodeURIComponent(found.slice(name.length + 1)) : '';
  }
  function send(method, path, body, from) {
    var headers = { 'Content-Type': 'application/json', 'X-CSRFToken': cookie('_csrf_token') };
    fetch(path, { method: method, headers: headers, body: body ? JSON.stringify(body) : undefined, credentials: 'same-origin' })
      .then(function (answer) {
        return answer.text().then(function (text) {
          var said = {};
          try { said = JSON.parse(text); } catch (error) { said = {}; }
          if (answer.ok) { say(from.done || 'OK'); if (!from.secretNext) refresh(); if (from.secret) reveal(said[from.secret], from); } else say(said.detail || said.title || answer.status + '', true);
        });
      })
      .catch(function () { say(root.lang === 'ja' ? '接続できません' : 'No connection', true); });
  }
  // A secret is shown once, in a dialog of its own: outside of what Dash draws, gone when it is closed.
  function reveal(secret, words) {
    var dialog = document.createElement('dialog');
    var told = document.createElement('p');
    var box = document.createElement('input');
    var close = document.createElement('button');
    dialog.className = 'secret';
    told.textContent = words.secretTold;
    told.id = 'secret-told';
    box.readOnly = true;
    box.value = String(secret);
    box.setAttribute('aria-labelledby', 'secret-told');
    dialog.setAttribute('aria-labelledby', 'secret-told');
    close.type = 'button';
    close.textContent = words.secretClose;
    close.addEventListener('click', function () { dialog.close(); });
    dialog.addEventListener('close', function () {
      dialog.remove();
      if (words.secretNext) location.assign(words.secretNext); // nobody is let in without a token any more
    });
    dialog.append(told, box, close);
    document.body.append(dialog);
    dialog.showModal();
    box.focus();
    box.select();
  }
  document.addEventListener('click', function (event) {
    var button = event.target.closest && event.target.closest('button[data-path]');
    if (!button) return;
    if (button.dataset.ask && !window.confirm(button.dataset.ask)) return;
    send(button.dataset.method || 'POST', button.dataset.path, JSON.parse(button.dataset.body || 'null'), button.dataset);
  });
  document.addEventListener('submit', function (event) {
    var form = event.target;
    if (!form.dataset.path) return;
    event.preventDefault();
    var body = JSON.parse(form.dataset.body || '{}');
    new FormData(form).forEach(function (value, name) { body[name] = value; });
    send(form.dataset.method || 'POST', form.dataset.path, body, form.dataset);
    if (form.dataset.secret) form.reset();
  });

  // --- live ----------------------------------------------------------------------------------------------------------
  var seen = null, lost = null;
  function refresh() {
    seen = null;
    redraw('at ' + Date.now());
  }
  function redraw(mark) {
    pending = pending || { moved: false, hash: '', held: held() };
    dash_clientside.set_props('live', { data: mark });
  }
  function stale(since) {
    document.querySelectorAll('#stale').forEach(function (banner) {
      banner.hidden = !since;
      if (since) {
        var time = banner.querySelector('time');
        time.setAttribute('datetime', since.toISOString());
        time.textContent = full.format(since);
      }
    });
  }
  var fresh = new Date();
  function look() {
    if (document.hidden) return;
    fetch('/pages/changes', { credentials: 'same-origin', cache: 'no-store' })
      .then(function (answer) { if (!answer.ok) throw new Error(answer.status); return answer.json(); })
      .then(function (said) {
        fresh = new Date();
        if (lost) { lost = null; stale(null); }
        if (seen !== null && seen !== said.mark && ready()) redraw(said.mark);
        seen = said.mark;
      })
      .catch(function () { lost = lost || fresh; stale(lost); });
  }
  setInterval(look, 3000);
  document.addEventListener('visibilitychange', look);
  window.addEventListener('online', look);
  window.addEventListener('offline', look);

  // --- whatever is drawn anew ------------------------------------------------------------------------------------------
  var queued = false;
  function drawn() {
    queued = false;
    local(document);
    mark();
  }
  new MutationObserver(function (changes) {
    if (pending) {
      var content = document.querySelector('#react-entry-point #page');
      if (content && changes.some(function (change) { return content.contains(change.target); })) {
        document.getElementById('shell').classList.remove('waiting');
        if (pending.moved) content.focus({ preventScroll: true });
        else hold(pending.held, content);
        if (!pending.moved && pending.hash) jump(false);
        pending = null;
      }
    }
    if (document.getElementById('first')) takeOver();  // at once: a figure must not be drawn in a hidden place
    if (!queued) { queued = true; setTimeout(drawn, 0); }  // not a frame: a hidden tab has none
  }).observe(root, { childList: true, subtree: true });
  if (document.readyState !== 'loading') drawn(); else document.addEventListener('DOMContentLoaded', drawn);
  look();
})();
