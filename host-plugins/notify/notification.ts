/** What a notification says and offers. Data: what is on the screen follows from how things stand. */
export interface Notification {
  readonly summary: string;
  readonly body: string;
  readonly buttons: readonly Button[];
  /** Said below the body where the desktop has no buttons. */
  readonly insteadOfButtons?: string;
  /** 0 to 100, of something that is under way. */
  readonly percent: number | undefined;
  /** Until it is replaced or taken away; else as long as the desktop finds right. */
  readonly stays: boolean;
  readonly urgency: 'normal' | 'critical';
  /** Of the Desktop Notifications Specification. */
  readonly category: 'transfer' | 'device';
}

export interface Button {
  /** What is told when it is pressed. */
  readonly key: string;
  readonly label: string;
}
