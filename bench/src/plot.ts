// The report as one SVG: a small bar chart for each of the figures that matter most, a bar for each peer with
// its median and a line from the least to the most. Drawn by ECharts without a browser.

import type { CustomSeriesRenderItem } from 'echarts';
import { type EChartsCoreOption, init, use } from 'echarts/core';
import { BarChart, CustomChart } from 'echarts/charts';
import { GridComponent, TitleComponent } from 'echarts/components';
import { SVGRenderer } from 'echarts/renderers';
import { type FigureName, figures } from './figure.ts';
import { readable } from './markdown.ts';
import type { Report } from './report.ts';
import { type Cell, ours, summarize } from './summary.ts';

const shownFigures: ReadonlyArray<readonly [FigureName, string]> = [
  ['bytes-1-up', 'One connection, up'],
  ['bytes-8-down', 'Eight connections, down'],
  ['cpu-1-up', 'CPU of both ends, one connection up'],
  ['requests', 'Small requests, 64 connections'],
  ['requests-p99', 'p99 of those'],
  ['connections', 'New connections'],
  ['ping-p50', 'A byte there and back, p50'],
  ['ping-up-p50', 'The same beside bulk, p50'],
  ['distance-up', 'One stream at a distance, up'],
  ['stream-edge', 'Idle stream, edge'],
  ['stream-client', 'Idle stream, client'],
  ['tunnel-edge', 'Idle tunnel, edge'],
];

const columns = 3;
const size = { width: 380, bar: 20, head: 60, foot: 40, top: 70, left: 90, right: 70 };
const colours = { ours: '#0b7a75', others: '#9aa5b1', range: '#3e4c59' };

/** Draws it. */
export function plot(report: Report): string {
  use([BarChart, CustomChart, GridComponent, TitleComponent, SVGRenderer]);
  const summary = summarize(report);
  const charts = shownFigures.flatMap(([name, title]) => {
    const cells = summary.get(name);
    return cells === undefined ? [] : [{ name, title, cells: [...cells].toReversed() }];
  });
  const rowHeight =
    size.head + size.foot + size.bar * Math.max(1, ...charts.map(({ cells }) => cells.length));
  const chart = init(null, null, {
    renderer: 'svg',
    ssr: true,
    width: columns * size.width,
    height: size.top + rowHeight * Math.ceil(charts.length / columns),
  });
  try {
    chart.setOption(layOut(charts, rowHeight, report));
    return chart.renderToSVGString();
  } finally {
    chart.dispose();
  }
}

interface SmallChart {
  readonly name: FigureName;
  readonly title: string;
  readonly cells: ReadonlyArray<readonly [string, Cell]>;
}

function layOut(
  charts: readonly SmallChart[],
  rowHeight: number,
  { machine, rounds, startedAt }: Report,
): EChartsCoreOption {
  const place = charts.map((_, index) => ({
    left: (index % columns) * size.width + size.left,
    top: size.top + Math.floor(index / columns) * rowHeight + size.head,
  }));
  const heading = {
    text: 'Postern beside other tunnels',
    subtext: `${machine.cores} cores, ${machine.system}; median of ${rounds} rounds, line from least to most; ${startedAt.slice(0, 10)}`,
    left: 16,
    top: 10,
  };
  return {
    animation: false,
    backgroundColor: '#ffffff',
    title: [heading, ...charts.map((chart, index) => titleOf(chart, place[index]))],
    grid: place.map(({ left, top }) => ({
      left,
      top,
      width: size.width - size.left - size.right,
      height: rowHeight - size.head - size.foot,
    })),
    xAxis: charts.map((_, gridIndex) => ({
      gridIndex,
      type: 'value',
      min: 0,
      splitNumber: 3,
      axisLabel: { fontSize: 9 },
    })),
    yAxis: charts.map(({ cells }, gridIndex) => ({
      gridIndex,
      type: 'category',
      data: cells.map(([peer]) => peer),
      axisTick: { show: false },
      axisLabel: { fontSize: 11 },
    })),
    series: charts.flatMap(({ cells }, index) => [bars(cells, index), ranges(cells, index)]),
  };
}

function titleOf({ name, title }: SmallChart, at: { left: number; top: number } | undefined): object {
  const { unit, better } = figures[name];
  return {
    text: title,
    subtext: `${unit}, ${better} is better`,
    left: (at?.left ?? 0) - size.left + 16,
    top: (at?.top ?? 0) - size.head + 8,
    itemGap: 3,
    textStyle: { fontSize: 13 },
    subtextStyle: { fontSize: 10 },
  };
}

function bars(cells: SmallChart['cells'], index: number): object {
  return {
    type: 'bar',
    xAxisIndex: index,
    yAxisIndex: index,
    barWidth: '70%',
    data: cells.map(([peer, cell]) => ({
      value: cell.median,
      itemStyle: { color: peer === ours ? colours.ours : colours.others },
      label: { show: true, position: 'right', formatter: readable(cell.median), fontSize: 10, distance: 12 },
    })),
  };
}

function ranges(cells: SmallChart['cells'], index: number): object {
  const renderItem: CustomSeriesRenderItem = (_, api) => {
    const [x1 = 0, y = 0] = api.coord([api.value(0), api.value(2)]);
    const [x2 = 0] = api.coord([api.value(1), api.value(2)]);
    return {
      type: 'line',
      shape: { x1, y1: y, x2, y2: y },
      style: { stroke: colours.range, lineWidth: 1.5 },
    };
  };
  return {
    type: 'custom',
    xAxisIndex: index,
    yAxisIndex: index,
    renderItem,
    encode: { x: [0, 1], y: 2 },
    z: 3,
    data: cells.map(([, cell], position) => [cell.least, cell.most, position]),
  };
}
