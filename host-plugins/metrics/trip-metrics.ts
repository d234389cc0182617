import type { ProgressEvent } from '../../protocol/progress-event.ts';
import { TripBook } from '../trip-book/trip-book.ts';
import { Counter, Histogram } from './metric-kinds.ts';
import type { MetricFamily } from './metric-text.ts';

const tripBounds = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800];
const stageBounds = [0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600];
const downtimeBounds = [0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10];

/** Trips that were asked for here or are driven from here, since wdockd started. */
export class TripMetrics {
  readonly #book = new TripBook();
  readonly #trips = new Counter({
    name: 'wdock_trips_total',
    help: 'Docks and undocks that ended, by how they ended: done, failed or cancelled.',
  });
  readonly #sent = new Counter({
    name: 'wdock_trip_sent_bytes_total',
    help: 'Memory and device state sent by trips that were done.',
  });
  readonly #durations = new Histogram(
    { name: 'wdock_trip_duration_seconds', help: 'How long trips took that were done.' },
    tripBounds,
  );
  readonly #stages = new Histogram(
    { name: 'wdock_trip_stage_duration_seconds', help: 'How long each stage of a trip took that was done.' },
    stageBounds,
  );
  readonly #downtimes = new Histogram(
    { name: 'wdock_trip_downtime_seconds', help: 'How long no copy of the virtual machine ran.' },
    downtimeBounds,
  );

  hear(workspace: string, event: ProgressEvent): void {
    const trip = this.#book.hear(workspace, event)?.after;
    if (trip === undefined || trip.state === 'running') return;
    const labels = { trip: trip.kind };
    this.#trips.add({ ...labels, outcome: trip.state });
    if (trip.outcome === undefined) return;
    const { totalMs, downtimeMs, wireBytes, stages } = trip.outcome;
    this.#sent.add(labels, wireBytes);
    this.#durations.observe(labels, totalMs / 1000);
    if (downtimeMs !== null) this.#downtimes.observe(labels, downtimeMs / 1000);
    for (const { name, ms } of stages) this.#stages.observe({ ...labels, stage: name }, ms / 1000);
  }

  families(): MetricFamily[] {
    const running = this.#book.list().filter(({ state }) => state === 'running').length;
    return [
      this.#trips.family(),
      {
        name: 'wdock_trips_running',
        help: 'Docks and undocks that are under way.',
        type: 'gauge',
        samples: [{ labels: {}, value: running }],
      },
      this.#durations.family(),
      this.#stages.family(),
      this.#downtimes.family(),
      this.#sent.family(),
    ];
  }
}
