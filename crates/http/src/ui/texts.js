// Everything the pages say, in one place. (The two HTML files say only that they need JavaScript.)

const number = (value) => value.toLocaleString('en').replaceAll(',', '\u202f');
const counted = (value, one, many) => `${number(value)} ${value === 1 ? one : many}`;
const times = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
// Never broken between two lines.
const moment = (date) => times.format(date).replaceAll(' ', '\u00a0');

/** Like `20 s`. */
function span(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} days`;
}

/** Only WhatsApp's own pages can ask a browser for it, and whoever runs WAHA can hand it over. */
const passkey = {
  title: 'WhatsApp asks for your passkey',
  text: 'This account is protected with a passkey, which cannot be given on this page. Cancel and try again; if WhatsApp asks once more, tell whoever runs this page.',
  textForLink: 'This account is protected with a passkey, which cannot be given on this page. Tell whoever sent you this link.',
};

export const texts = {
  product: 'Switchboard',
  busy: 'One moment…',
  tryAgain: 'Try again',
  loading: 'Loading…',
  forbidden: {
    title: 'This token is not enough',
    text: 'It does not allow this page to show your connection. Ask whoever gave it to you for one that does, and sign in with that.',
  },
  commands: 'The same in a terminal',

  signIn: {
    title: 'Sign in',
    lead: 'Connect your WhatsApp account and see your groups and contacts.',
    token: 'Access token',
    hint: 'Paste the token you were given. It stays in this tab and is forgotten when you close it.',
    submit: 'Sign in',
    missing: 'Paste your access token first.',
    demoLead: 'This is a demo: nothing here reaches WhatsApp, and everything is gone when it stops.',
    demoSubmit: (name) => `Continue as ${name}`,
    demoOther: 'Use another name',
    demoName: 'Name',
    demoMissing: 'Write a name first.',
    expired: 'You have been signed out, because your access token is no longer good. Sign in again to go on.',
    refused: 'This token is not accepted. It may have expired, or part of it is missing. Ask for a new one.',
  },

  header: {
    user: (name) => `Signed in as ${name}`,
    signOut: 'Sign out',
  },

  start: {
    title: 'Connect WhatsApp',
    lead: 'Link this page to your WhatsApp account, as you would link WhatsApp Web. Your phone stays in charge, and you can log out at any time.',
    connect: 'Connect',
    loggedOut: 'You have logged out.',
  },

  link: {
    title: 'Scan with your phone',
    qr: 'QR code that links your phone. Scan it with WhatsApp on your phone, or choose to link with a phone number instead.',
    preparing: 'Getting a code…',
    starting: 'Starting…',
    next: (seconds) => `New code in ${Math.ceil(seconds)} s`,
    nextSoon: 'A new code is on its way…',
    scanSteps: [
      'Open WhatsApp on your phone.',
      'Tap Settings on an iPhone, or the three dots on Android.',
      'Tap Linked devices, then Link a device.',
      'Point your phone at this code.',
    ],
    usePhoneHint: 'Is WhatsApp on this very phone?',
    usePhone: 'Link with a phone number instead',
    useQr: 'Scan a QR code instead',
    phoneTitle: 'Link with a phone number',
    phone: 'Your WhatsApp number',
    phoneHint: 'With the country code, like +34 600 111 222.',
    phoneMissing: 'Write your number with the country code, like +34 600 111 222.',
    getCode: 'Get a code',
    codeTitle: 'Enter this code on your phone',
    code: (letters) => `Your code is ${letters}`,
    codeSteps: [
      'Open WhatsApp on your phone.',
      'Tap Settings on an iPhone, or the three dots on Android.',
      'Tap Linked devices, then Link a device.',
      'Tap Link with phone number instead, and enter this code.',
    ],
    codeFor: (phone) => `It is for ${phone} only.`,
    anotherCode: 'Get another code',
    anotherNumber: 'Use another number',
    demo: 'In the demo, a pretended phone scans for you.',
    pretend: 'Pretend to scan',
    nothingToScan: 'There is no code to scan at this moment. Try again once it is shown.',
    cancel: 'Cancel',
  },

  /** What a status means, and what to do. `button`: what connecting again is called. */
  status: {
    reasons: {
      qr_codes_expired: {
        title: 'The codes have run out',
        text: 'Nobody scanned in time. Take your phone at hand and ask for a new code.',
        button: 'Show a new code',
      },
      connection_lost: {
        title: 'The connection to WhatsApp was lost',
        text: 'Perhaps this device was removed from the linked devices on your phone. Try again; if it is lost once more, the next try brings a new code.',
        button: 'Try again',
      },
      logged_out: {
        title: 'Your phone is no longer linked',
        text: 'This device was removed on the phone, or you logged out. Connect again to go on.',
        button: 'Connect again',
      },
    },
    statuses: {
      PASSKEY_REQUIRED: passkey,
      PASSKEY_CONFIRMATION_REQUIRED: passkey,
      FAILED: {
        title: 'That did not work',
        text: 'WhatsApp ended the connection. Ask for a new code and scan it again.',
        button: 'Show a new code',
      },
      STOPPED: {
        title: 'Not connected',
        text: 'The connection to WhatsApp is switched off. Connect to go on.',
        button: 'Connect',
      },
    },
    actions: {
      connect: {
        title: 'Not connected',
        text: 'Connect again to go on.',
        button: 'Connect again',
      },
    },
    unknown: (status) => ({
      title: 'Please wait',
      text: `WhatsApp reports a state that this page does not know: ${status}. It may pass by itself; if not, connect again.`,
      button: 'Connect again',
    }),
    /** For screen readers, as it happens. */
    said: {
      STARTING: 'Starting.',
      SCAN_QR_CODE: 'A QR code is ready to be scanned.',
      WORKING: 'Connected to WhatsApp.',
    },
    unreachable: 'WhatsApp’s server cannot be reached at the moment. What you see is the last that is known.',
    offline: 'The connection is interrupted. Trying again…',
    takenOver: 'This page went on in another window.',
    takeBack: 'Go on here',
  },

  account: {
    title: 'WhatsApp account',
    connected: 'Connected',
    reconnecting: 'Reconnecting…',
    restarting: 'Restarting…',
    noNumber: 'Your number shows here in a moment',
    restart: 'Restart',
    restarted: 'The connection was restarted.',
  },

  logOut: {
    title: 'Log out of WhatsApp?',
    text: 'Your phone will no longer show this device, and your groups and contacts disappear from here. Linked groups and their campaigns are kept for when you connect this account again.',
    yes: 'Log out',
    no: 'Cancel',
  },

  linked: {
    title: 'Linked groups',
    none: 'No group is linked yet. Link one from the list of groups.',
    noCampaign: 'No campaign',
    campaign: {
      SCHEDULED: (date) => `Campaign scheduled for ${moment(date)}`,
      IN_PROGRESS: (date) => `Campaign running since ${moment(date)}`,
    },
  },

  lists: {
    title: 'Groups and contacts',
    groups: 'Groups',
    contacts: 'Contacts',
    noName: 'Without a name',
    searchGroups: 'Search groups',
    searchContacts: 'Search contacts by name or number',
    refresh: 'Refresh',
    refreshed: 'The lists are up to date.',
    total: {
      groups: (total) => counted(total, 'group', 'groups'),
      contacts: (total) => counted(total, 'contact', 'contacts'),
    },
    matches: (total) => counted(total, 'match', 'matches'),
    age: (seconds) => (seconds < 5 ? 'as of just now' : `as of ${span(seconds)} ago`),
    stale: 'This list is older than it should be, because WhatsApp’s server did not answer. It is renewed as soon as it does.',
    syncing: 'Your phone is still sending. More may appear in the next minutes.',
    truncated: 'WhatsApp shows 500 groups at most: some of yours may be missing.',
    none: { groups: 'You are in no groups.', contacts: 'You have no contacts.' },
    noMatch: (term) => `Nothing matches “${term}”.`,
    end: 'That is all.',
    link: 'Link',
    linkLabel: (name) => `Link ${name}`,
    unlink: 'Unlink',
    unlinkLabel: (name) => `Unlink ${name}`,
    linked: (name) => `${name} is linked.`,
    unlinked: (name) => `${name} is no longer linked.`,
  },

  connectPage: {
    title: 'Connect your WhatsApp',
    missingTitle: 'This link is not complete',
    missing: 'Open the link again from the message in which you got it. If that does not help, ask for a new one.',
    expiredTitle: 'This link is no longer good',
    expired: 'Links like this one work for a few minutes only. Ask whoever sent it to you for a new one.',
    endedTitle: 'Not connected any more',
    ended: 'This connection was ended elsewhere. You can connect again.',
    again: 'Connect again',
    doneTitle: 'All set',
    done: (phone) => (phone ? `You are connected as ${phone}; you can close this page.` : 'You are connected; you can close this page.'),
  },

  /** What went wrong and what to do, by the server's reason, else by its code. */
  problems: {
    reasons: {
      not_connected: 'WhatsApp is not connected. Connect first.',
      already_connected: 'This account is connected already.',
      starting: 'The connection is still starting. Try again in a moment.',
      not_paired: 'No phone is linked yet. Scan the code first.',
      group_not_found: 'You are no longer in this group. Refresh the list.',
      active_campaign: 'This group has a scheduled or running campaign. It can be unlinked once that is over.',
      refreshed_recently: 'The lists were refreshed a moment ago.',
      worker_failing: 'WhatsApp’s server has trouble with many accounts right now. Try again in a few minutes.',
      busy: 'Something else is still going on with your account. Try again in a moment.',
      whatsapp_rate_limit: 'WhatsApp asks to slow down. Try again in a few minutes.',
      waha_timeout: 'WhatsApp’s server did not answer in time. Try again in a moment.',
      waha_broken: 'WhatsApp’s server gave no usable answer. Try again in a moment.',
      waha_unavailable: 'WhatsApp’s server cannot be reached. Try again in a few minutes.',
      database_unavailable: 'The server cannot reach its data. Try again in a few minutes.',
    },
    codes: {
      NETWORK: 'The server cannot be reached. Check your internet connection and try again.',
      UNAUTHORIZED: 'You are not signed in any more. Sign in again.',
      FORBIDDEN: 'This token does not allow that. Ask for one that does.',
      NOT_FOUND: 'This is not there any more. Reload the page.',
      CONFLICT: 'This has changed meanwhile. Reload the page.',
      PRECONDITION_FAILED: 'This cannot be done at the moment. Reload the page.',
      TOO_MANY_REQUESTS: 'That was too often.',
      SERVICE_UNAVAILABLE: 'The server is busy. Try again in a few minutes.',
      GATEWAY_TIMEOUT: 'WhatsApp’s server did not answer in time. Try again in a moment.',
      BAD_GATEWAY: 'WhatsApp’s server gave no usable answer. Try again in a moment.',
    },
    phone: 'This is not a phone number. Write it with the country code, like +34 600 111 222.',
    connect: 'The connection could not be started. Try again in a few minutes.',
    other: 'Something went wrong on the server. Try again; if it happens again, tell whoever runs it.',
    /** Told after a problem. */
    retryAfter: (seconds) => `Try again in ${span(seconds)}.`,
  },
};

/** A failed call in plain words, with what to do; `other` of what there are no words for. */
export function explain(error, other = texts.problems.other) {
  const { reasons, codes, retryAfter } = texts.problems;
  const text = reasons[error.reason] ?? codes[error.code] ?? other;
  return error.code === 'TOO_MANY_REQUESTS' && error.retryAfter ? `${text} ${retryAfter(error.retryAfter)}` : text;
}

/** The same of a try to connect. */
export const explainConnecting = (error) => explain(error, texts.problems.connect);
